// SPDX-License-Identifier: Apache-2.0
/*
 * Reads random 4 KiB blocks of a disk past the page cache, 32 under way at any time: what fio does with ioengine=libaio, rw=randread,
 * iodepth=32 and direct=1, without fio's own accounting. Blocks that ended are replaced together, by one io_submit.
 *   depth DEVICE COUNT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH = 32, BLOCK = 4096 };

static int fail(const char *what)
{
  perror(what);
  return 1;
}

static uint64_t next_random(void)
{
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

int main(int argc, char **argv)
{
  if (argc != 3) return 2;
  const int file = open(argv[1], O_RDONLY | O_DIRECT);
  if (file < 0) return fail(argv[1]);
  const uint64_t blocks = (uint64_t)lseek(file, 0, SEEK_END) / BLOCK;
  unsigned char *data;
  if (blocks == 0 || posix_memalign((void **)&data, BLOCK, DEPTH * BLOCK) != 0) return fail("memory");
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, DEPTH, &context) != 0) return fail("io_setup");
  struct iocb requests[DEPTH] = {0};
  struct iocb *ready[DEPTH];
  long free = DEPTH;
  for (int i = 0; i < DEPTH; ++i) {
    requests[i].aio_lio_opcode = IOCB_CMD_PREAD;
    requests[i].aio_fildes = (uint32_t)file;
    requests[i].aio_buf = (uintptr_t)(data + i * BLOCK);
    requests[i].aio_nbytes = BLOCK;
    ready[i] = &requests[i];
  }
  long left = atol(argv[2]), under_way = 0;
  while (left != 0 || under_way != 0) {
    const long count = free < left ? free : left;
    for (long i = 0; i < count; ++i) ready[i]->aio_offset = (int64_t)(next_random() % blocks * BLOCK);
    if (count != 0 && syscall(SYS_io_submit, context, count, ready) != count) return fail("io_submit");
    left -= count;
    under_way += count;
    struct io_event ended[DEPTH];
    free = syscall(SYS_io_getevents, context, 1, DEPTH, ended, NULL);
    if (free < 1) return fail("io_getevents");
    for (long i = 0; i < free; ++i) {
      if (ended[i].res != BLOCK) return fail("a read");
      ready[i] = (struct iocb *)(uintptr_t)ended[i].obj;
    }
    under_way -= free;
  }
  return 0;
}
