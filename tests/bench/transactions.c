// SPDX-License-Identifier: Apache-2.0
/*
 * XenStore transactions of a guest with Linux, as a library of Xen's would make them: start, one read, one write, commit, each a request of
 * its own to /dev/xen/xenbus, which is answered before the next.
 *   transactions COUNT
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ = 2, TRANSACTION_START = 6, TRANSACTION_END = 7, WRITE = 11, MOST = 4096 };

struct header {
  uint32_t type, request, transaction, length;
};

static char text[MOST + 1];   // of the last reply

static int fail(const char *what)
{
  perror(what);
  exit(1);
}

static void receive(int file, void *to, size_t length)
{
  for (size_t done = 0; done < length;) {
    const ssize_t count = read(file, (char *)to + done, length - done);
    if (count <= 0) fail("read");
    done += (size_t)count;
  }
}

static void ask(int file, uint32_t type, uint32_t transaction, const char *payload, uint32_t length)
{
  char request[sizeof(struct header) + 64];
  const struct header header = {type, 0, transaction, length};
  memcpy(request, &header, sizeof(header));
  memcpy(request + sizeof(header), payload, length);
  const size_t size = sizeof(header) + length;
  if (write(file, request, size) != (ssize_t)size) fail("write");
  struct header reply;
  receive(file, &reply, sizeof(reply));
  if (reply.length > MOST) exit(1);
  receive(file, text, reply.length);
  text[reply.length] = '\0';
  if (reply.type != type) {
    fprintf(stderr, "request %u: %s\n", type, text);
    exit(1);
  }
}

int main(int argc, char **argv)
{
  if (argc != 2) return 2;
  const int file = open("/dev/xen/xenbus", O_RDWR);
  if (file < 0) return fail("/dev/xen/xenbus");
  static const char name[] = "name", written[] = "data/bench\0text";
  for (long left = atol(argv[1]); left != 0; --left) {
    ask(file, TRANSACTION_START, 0, "", 1);
    const uint32_t transaction = (uint32_t)strtoul(text, NULL, 10);
    ask(file, READ, transaction, name, sizeof(name));
    ask(file, WRITE, transaction, written, sizeof(written) - 1);
    ask(file, TRANSACTION_END, transaction, "T", 2);
  }
  return 0;
}
