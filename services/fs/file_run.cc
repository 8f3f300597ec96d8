// SPDX-License-Identifier: Apache-2.0
#include "services/fs/file_run.h"

namespace pyrene::fs {

errcode_t MapRun(ext2_filsys fs, ext2_ino_t number, ext2_inode& inode, uint64_t block, Run& run) {
  run = {};
  if ((inode.i_flags & EXT4_EXTENTS_FL) == 0) {
    blk64_t physical = 0;
    int flags = 0;
    const errcode_t error = ext2fs_bmap2(fs, number, &inode, nullptr, 0, block, &flags, &physical);
    run.physical = physical;
    return error;
  }
  ext2_extent_handle_t handle;
  errcode_t error = ext2fs_extent_open2(fs, number, &inode, &handle);
  if (error != 0) return error;
  ext2fs_extent extent;
  error = ext2fs_extent_goto(handle, block);
  if (error == 0) error = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
  ext2fs_extent_free(handle);
  if (error == EXT2_ET_EXTENT_NOT_FOUND) return 0;  // a hole, of one block at least
  if (error != 0) return error;
  if (block < extent.e_lblk || block - extent.e_lblk >= extent.e_len)
    return EXT2_ET_EXTENT_INVALID_LENGTH;
  run.blocks = extent.e_len - (block - extent.e_lblk);
  const bool unwritten = (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0;
  (unwritten ? run.unwritten : run.physical) = extent.e_pblk + (block - extent.e_lblk);
  return 0;
}

}  // namespace pyrene::fs
