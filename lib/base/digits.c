/* digits.c - see digits.h: digits of a number. */
#include "config.h"

#include "base/digits.h"

char *digits_before(char *end, uint64_t x, unsigned base)
{
	do {
		*--end = "0123456789abcdef"[x % base];
		x /= base;
	} while (x > 0);
	return end;
}
