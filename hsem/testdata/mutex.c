// What two processes pay for a pthread mutex that they share: mutex ROUNDS prints nanoseconds for each lock and unlock.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared {
	pthread_mutex_t mutex;
	pthread_barrier_t start;
	_Alignas(128) volatile long counter;
};

static void hammer(struct shared *s, long rounds)
{
	pthread_barrier_wait(&s->start);
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&s->mutex);
		s->counter++;
		pthread_mutex_unlock(&s->mutex);
	}
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 0;
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED || rounds <= 0)
		return 2;
	pthread_mutexattr_t ma;
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->mutex, &ma);
	pthread_barrierattr_t ba;
	pthread_barrierattr_init(&ba);
	pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&s->start, &ba, 3);
	for (int i = 0; i < 2; i++) {
		if (fork() == 0) {
			hammer(s, rounds);
			_exit(0);
		}
	}
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pthread_barrier_wait(&s->start);
	while (wait(NULL) > 0)
		;
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (s->counter != 2 * rounds)
		return 3;
	double ns = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
	printf("%.2f\n", ns / (2.0 * rounds));
	return 0;
}
