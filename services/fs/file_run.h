// SPDX-License-Identifier: Apache-2.0
//
// Where a file's blocks are.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>

namespace pyrene::fs {

// Blocks of a file that lie in a row.
struct Run {
  uint64_t physical = 0;   // 0: zeros
  uint64_t blocks = 1;     // from the asked one on
  uint64_t unwritten = 0;  // of zeros that have a place: its first block
};

// What is at the file's block `block`. The numbers are the disk's, and were not checked.
errcode_t MapRun(ext2_filsys fs, ext2_ino_t number, ext2_inode& inode, uint64_t block, Run& run);

}  // namespace pyrene::fs
