/* words.c - see words.h: helpers of the word counts in C. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

struct text text_open(const char *path)
{
	struct text t = { "", 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	t.size = (size_t)st.st_size;
	if (t.size > 0)
		t.at = mmap(NULL, t.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (t.at == MAP_FAILED) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	close(fd);
	return t;
}
