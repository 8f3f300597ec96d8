# SPDX-License-Identifier: Apache-2.0
#
# Which sectors of a disk a guest's disk consists of: a partition, or a file's extents. Init writes it, as one message in a Memory of its
# own that outlives blkback, and offers it to blkback, read only, with this schema's number.
@0xe3a2c6f0b7d81945;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

struct DiskMap {
  device @0 :Text;           # 1..63 bytes, as an argument of blkback's names it: "/dev/vda"
  deviceSectors @1 :UInt64;  # of the device that the extents were found on: another size is another medium
  extents @2 :List(Extent);  # 1..4096, in the order of the guest's disk, one behind the other
}

struct Extent {
  sector @0 :UInt64;         # first, of 512 bytes, of the device
  sectors @1 :UInt64;        # at least 1
}
