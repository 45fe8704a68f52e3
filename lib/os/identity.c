/* identity.c - see identity.h: whether two processes run the same program. */
#include "config.h"

#include "os/identity.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* The type of the note with a build-id, and its owner. */
#define NOTE_BUILD_ID 3
static const char owner[4] = "GNU";

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* Writes bytes as hexadecimal digits, as far as they fit. */
static void print(char to[IDENTITY_SIZE], const unsigned char *bytes,
    size_t size)
{
	size = MIN(size, (IDENTITY_SIZE - 1) / 2);
	for (size_t i = 0; i < size; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

/* Looks for a build-id in a segment of notes. */
static void look(const unsigned char *at, size_t size, char to[IDENTITY_SIZE])
{
	ElfW(Nhdr) note;

	while (size >= sizeof note) {
		size_t name, all;

		memcpy(&note, at, sizeof note);
		name = padded(note.n_namesz);
		all = sizeof note + name + padded(note.n_descsz);
		if (all > size)
			return;
		if (note.n_type == NOTE_BUILD_ID &&
		    note.n_namesz == sizeof owner &&
		    memcmp(at + sizeof note, owner, sizeof owner) == 0)
			print(to, at + sizeof note + name, note.n_descsz);
		at += all;
		size -= all;
	}
}

/* The first object is the program. */
static int first(struct dl_phdr_info *info, size_t size, void *to)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_NOTE)
			look((const unsigned char *)(info->dlpi_addr +
			    p->p_vaddr), p->p_memsz, to);
	}
	return 1;
}

/* Two 64-bit FNV-1a hashes of the file's bytes, from different starts. */
static void hash_file(char to[IDENTITY_SIZE])
{
	uint64_t a = 0xcbf29ce484222325u, b = ~a;
	unsigned char block[1024];
	ssize_t n = -1;
	int fd = sys_open("/proc/self/exe", O_RDONLY);

	while (fd >= 0 && (n = sys_read(fd, block, sizeof block)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			a = (a ^ block[i]) * 0x100000001b3u;
			b = (b ^ block[i]) * 0x100000001b3u;
		}
	if (n == 0)
		snprintf(to, IDENTITY_SIZE, "%016llx%016llx",
		    (unsigned long long)a, (unsigned long long)b);
	sys_close(&fd);
}

void identity_of_program(char to[IDENTITY_SIZE])
{
	snprintf(to, IDENTITY_SIZE, "unknown");
	dl_iterate_phdr(first, to);
	if (strcmp(to, "unknown") == 0)
		hash_file(to);
}
