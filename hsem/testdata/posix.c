// A program in C that uses a named semaphore as any such program does: posix COMMAND NAME [NUMBER].
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	const char *command = argv[1];
	long number = argc > 3 ? atol(argv[3]) : 0;
	if (!strcmp(command, "unlink"))
		return sem_unlink(argv[2]) ? fail("sem_unlink") : 0;
	sem_t *s = !strcmp(command, "create") ? sem_open(argv[2], O_CREAT | O_EXCL, 0600, (unsigned)number) : sem_open(argv[2], 0);
	if (s == SEM_FAILED)
		return fail("sem_open");
	if (!strcmp(command, "create"))
		return 0;
	if (!strcmp(command, "post"))
		return sem_post(s) ? fail("sem_post") : 0;
	if (!strcmp(command, "wait")) {
		printf("waiting\n");
		fflush(stdout);
		return sem_wait(s) ? fail("sem_wait") : 0;
	}
	if (!strcmp(command, "timedwait")) { // number milliseconds: exits with 0 if it timed out
		struct timespec ts;
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += number % 1000 * 1000000;
		ts.tv_sec += number / 1000 + ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		if (sem_timedwait(s, &ts) == 0)
			return 3;
		return errno == ETIMEDOUT ? 0 : fail("sem_timedwait");
	}
	if (!strcmp(command, "value")) {
		int value;
		if (sem_getvalue(s, &value))
			return fail("sem_getvalue");
		printf("%d\n", value);
		return 0;
	}
	if (!strcmp(command, "hammer")) { // number rounds, adding one to the number in the file argv[4]
		FILE *f = argc > 4 ? fopen(argv[4], "r+") : NULL;
		if (!f)
			return fail("fopen");
		setvbuf(f, NULL, _IONBF, 0);
		for (long i = 0; i < number; i++) {
			if (sem_wait(s))
				return fail("sem_wait");
			long count = 0;
			rewind(f);
			if (fread(&count, sizeof count, 1, f) != 1)
				return fail("fread");
			count++;
			rewind(f);
			if (fwrite(&count, sizeof count, 1, f) != 1)
				return fail("fwrite");
			if (sem_post(s))
				return fail("sem_post");
		}
		return 0;
	}
	return 2;
}
