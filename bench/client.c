/*
 * Load a TCP server on 127.0.0.1 from one process, and tell what it answered.
 *
 *     client requests|resets|asks PORT CONNECTIONS SECONDS
 *
 * requests  each connection sends 64 bytes and waits for 64, over and over
 * resets    each connects, exchanges 64 bytes once, resets, and connects anew
 * asks      each connects, sends a line, shuts its side, reads to the end, and connects anew
 *
 * Prints: how many, in how many seconds, and the median and 99th percentile of microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { SIZE = 64, MOST = 1 << 22, EVENTS = 512 };
enum mode { REQUESTS, RESETS, ASKS };
struct connection { int fd; int got; double begun; };

static enum mode mode;
static struct sockaddr_in address;
static int poller;
static float *times;
static long count;
static char payload[SIZE];

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void ask(struct connection *c) {
	c->got = 0;
	if (mode == REQUESTS) c->begun = now();
	if (send(c->fd, payload, SIZE, MSG_NOSIGNAL) != SIZE) die("send");
	if (mode == ASKS) shutdown(c->fd, SHUT_WR);
}

static void begin(struct connection *c) {
	c->begun = now();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0) die("socket");
	if (mode == RESETS) {
		struct linger linger = {1, 0};
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	}
	int one = 1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
	ask(c);
}

static void done(struct connection *c) {
	if (count < MOST) times[count] = (now() - c->begun) * 1e6;
	count++;
}

static void ready(struct connection *c) {
	char data[4096];
	for (;;) {
		ssize_t n = recv(c->fd, data, sizeof data, 0);
		if (n < 0 && errno == EAGAIN) return;
		if (n < 0) die("recv");
		if (n == 0) {
			if (mode != ASKS || c->got == 0) { fprintf(stderr, "no answer\n"); exit(1); }
			close(c->fd);
			done(c);
			begin(c);
			return;
		}
		c->got += n;
		if (mode == ASKS) continue;
		if (c->got < SIZE) continue;
		done(c);
		if (mode == RESETS) { close(c->fd); begin(c); }
		else ask(c);
		return;
	}
}

static int compare(const void *a, const void *b) {
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	mode = !strcmp(argv[1], "requests") ? REQUESTS : !strcmp(argv[1], "resets") ? RESETS : ASKS;
	address.sin_family = AF_INET;
	address.sin_port = htons(atoi(argv[2]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int connections = atoi(argv[3]);
	double seconds = atof(argv[4]);
	memset(payload, 'x', SIZE);
	payload[SIZE - 1] = '\n';
	times = malloc(MOST * sizeof *times);
	struct connection *all = calloc(connections, sizeof *all);
	poller = epoll_create1(EPOLL_CLOEXEC);
	double begun = now();
	for (int i = 0; i < connections; i++) begin(&all[i]);
	struct epoll_event events[EVENTS];
	while (now() < begun + seconds || !count) {
		int n = epoll_wait(poller, events, EVENTS, 10000);
		if (n == 0) { fprintf(stderr, "no answer in time\n"); return 1; }
		for (int i = 0; i < n; i++) ready(events[i].data.ptr);
	}
	double took = now() - begun;
	long kept = count < MOST ? count : MOST;
	qsort(times, kept, sizeof *times, compare);
	printf("%ld %.6f %.1f %.1f\n", count, took, times[kept / 2], times[kept * 99 / 100]);
	return 0;
}
