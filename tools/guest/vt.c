// SPDX-License-Identifier: Apache-2.0
/*
 * vt: virtual time, for measurements inside a guest.  Prints CNTVCT in nanoseconds (instructions, under QEMU's
 * -icount shift=0 and while no CPU idles).
 *   vt LABEL            one stamp: "VT LABEL ns=..."
 *   vt -n LABEL CMD...  "VT LABEL begin", run CMD, "VT LABEL elapsed=..." with its start
 *   vt -w TEXT LABEL    copy stdin to stdout; stamp when TEXT is seen and leave
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long ns(void)
{
	unsigned long v, f;
	asm volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(v), "=r"(f));
	return (unsigned long)((double)v * 1e9 / f);
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "-n")) {
		printf("VT %s begin\n", argv[2]); fflush(stdout);
		unsigned long t = ns();
		int st = 0;
		if (!fork()) { execvp(argv[3], argv + 3); _exit(127); }
		wait(&st);
		unsigned long e = ns();
		printf("VT %s elapsed=%lu start=%lu rc=%d\n", argv[2], e - t, t, WEXITSTATUS(st));
	} else if (argc > 3 && !strcmp(argv[1], "-w")) {
		static char buf[65536]; unsigned n = 0; ssize_t k;
		while ((k = read(0, buf + n, sizeof buf - 1 - n)) > 0) {
			unsigned long t = ns();
			fwrite(buf + n, 1, k, stdout); n += k; buf[n] = 0;
			if (strstr(buf, argv[2])) { printf("\nVT %s ns=%lu\n", argv[3], t); return 0; }
			if (n > sizeof buf / 2) { memmove(buf, buf + n - 100, 100); n = 100; }
		}
		return 1;
	} else
		printf("VT %s ns=%lu\n", argc > 1 ? argv[1] : "now", ns());
	return 0;
}
