/*
 * Run /bin/cat for each connection to an inherited listener, descriptor 3: inetd at its least.
 *
 * Nothing is counted, limited, logged or told, and vfork makes the program's size not matter. So
 * this is what starting a program costs by itself.
 */
#include <spawn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTENER = 3 };
extern char **environ;

int main(void) {
	char *argv[] = {"cat", NULL};
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0) continue;
		int fd = accept(LISTENER, NULL, NULL);
		if (fd < 0) continue;
		posix_spawn_file_actions_t actions;
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, fd, 0);
		posix_spawn_file_actions_adddup2(&actions, fd, 1);
		posix_spawn_file_actions_addclose(&actions, fd);
		posix_spawn_file_actions_addclose(&actions, LISTENER);
		posix_spawn(NULL, "/bin/cat", &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
		close(fd);
	}
}
