/*
 * fuzz_replay.c - runs a fuzz target on its corpus, with any compiler.
 *
 * The corpus is tests/fuzz/corpus/NAME/ in the source tree, for a program that
 * is called replay_NAME; or else the files on the command line.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(SIZE_MOST), *exact;
	size_t size;

	if (file == NULL || data == NULL) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, SIZE_MOST, file);
	fclose(file);
	/* In a buffer of its own size, so that a sanitizer finds reads beyond
	   its end. */
	exact = malloc(size + !size);
	if (exact == NULL) {
		perror(path);
		return -1;
	}
	memcpy(exact, data, size);
	free(data);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

static int replay_all(const char *directory)
{
	char path[4096];
	struct dirent *entry;
	DIR *d = opendir(directory);
	int r = 0, count = 0;

	if (d == NULL) {
		perror(directory);
		return 1;
	}
	while (r == 0 && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory,
		    entry->d_name);
		r = replay(path);
		count++;
	}
	closedir(d);
	printf("%s: %d inputs\n", directory, count);
	return r < 0 || count == 0;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strrchr(argv[0], '_');
	char directory[2048];
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++)
		r = replay(argv[i]);
	if (argc > 1)
		return r < 0;
	snprintf(directory, sizeof directory, "%s/tests/fuzz/corpus/%s",
	    srcdir ? srcdir : ".", name ? name + 1 : "");
	return replay_all(directory);
}
