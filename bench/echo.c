/*
 * Echo on an inherited listener, descriptor 3, in one thread with epoll: what the machine can do.
 *
 * It accepts as many as wait, with the connection's events edge-triggered from the start, and
 * writes back at once what it reads. No loop in another language can do with less.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

enum { LISTENER = 3, EVENTS = 512, SIZE = 65536 };

int main(void) {
	static char data[SIZE];
	struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = LISTENER};
	int poller = epoll_create1(EPOLL_CLOEXEC);
	fcntl(LISTENER, F_SETFL, O_NONBLOCK);
	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, LISTENER, &event)) return 1;
	for (;;) {
		int count = epoll_wait(poller, events, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			if (fd == LISTENER) {
				while ((fd = accept4(LISTENER, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
					event.events = EPOLLIN;
					event.data.fd = fd;
					if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) close(fd);
				}
				continue;
			}
			ssize_t size = recv(fd, data, SIZE, 0);
			if (size > 0 && send(fd, data, size, MSG_NOSIGNAL) == size) continue;
			if (size < 0 && errno == EAGAIN) continue;
			close(fd);
		}
	}
}
