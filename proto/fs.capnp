# SPDX-License-Identifier: Apache-2.0
#
# Between fs (server), which has the disk's ext4 partition, and those who read its files (clients): xl, and init for guests' kernels.
#
# Each request names its file, and one that an end's death cut off is asked again: what changes something succeeds when it was done before.
# For that, files are named by their number, too, as `look` or `start` said. Paths begin at the file system's root, with or without "/";
# 1..1023 bytes.
#
# A change is on the medium when it is answered, but for `append`. Only xl's requests may change something.
@0xc39a290027108d72;

using Cxx = import "/capnp/c++.capnp";
using DiskMap = import "/proto/disk_map.capnp";
using Toolstack = import "/proto/toolstack.capnp";
$Cxx.namespace("pyrene::proto");

# Client to fs. Each is answered by one FsReply with the same id, in order.
struct FsRequest {
  id @0 :UInt32;             # not 0
  union {
    stat @1 :Text;           # path; answered by `entry`
    list @2 :FsList;         # `entries`
    read @3 :FsRead;         # `data`
    usage @4 :Void;          # `usage`
    map @5 :FsMapRequest;    # `map`
    partition @6 :Text;      # 1..31 bytes, as Linux calls it, with or without "/dev/": "vda2"; `map`, of one extent
    look @7 :Text;           # path; `entry`, of its last part itself where that is a symbolic link
    start @8 :UInt64;        # bytes that are to come; makes the part file, empty, in place of a former one: `entry`
    append @9 :FsAppend;     # `grown`
    rename @10 :FsRename;    # `done`, or of the part file `grown`
    remove @11 :FsRemove;    # `done`
    makeDirectory @12 :Text; # path; `done`, also if it is there
    fill @13 :FsMapRequest;  # writes zeros where the file has none, 256 blocks at most; `first` in bytes / 512; `grown`
    replay @14 :Void;        # mounts, with whoever's journal; `done`. Not while a guest may have the file system mounted
  }
}

# To the part file, which has no name of its own until it is renamed.
struct FsAppend {
  number @0 :UInt32;         # as `start` said
  offset @1 :UInt64;         # bytes that it has, a multiple of 4096; otherwise nothing is done
  bytes @2 :UInt32;          # 1..1048576
  place @3 :UInt32;          # in the channel's pool
  zeros @4 :Bool;            # nothing is in the pool
}

struct FsRename {
  from @0 :Text;             # of a regular file; empty: the part file
  to @1 :Text;               # a file of that name is replaced
  number @2 :UInt32;         # of the file
  bytes @3 :UInt64;          # that the part file is to have; if it has others nothing is done: `grown`
}

struct FsRemove {
  path @0 :Text;             # of a file or an empty directory; empty: the part file
  number @1 :UInt32;         # nothing is done if another file, or none, has that name
}

struct FsList {
  path @0 :Text;             # of a directory
  first @1 :UInt32;          # so many entries are left out
}

struct FsRead {
  path @0 :Text;             # of a regular file
  offset @1 :UInt64;         # bytes
  bytes @2 :UInt32;          # 1..1048576
  place @3 :UInt32;          # bytes from the begin of the channel's pool: where they go; the client leaves them alone until the answer
}

struct FsMapRequest {
  path @0 :Text;             # of a regular file
  first @1 :UInt32;          # so many extents are left out
}

# fs to client.
struct FsReply {
  id @0 :UInt32;             # of the request
  union {
    failed @1 :Toolstack.Failure;    # its reason names the file
    entry @2 :Toolstack.FileEntry;   # the name is the path's last part
    entries @3 :FsEntries;
    data @4 :FsData;
    usage @5 :FsUsage;
    map @6 :FsMap;
    grown @7 :UInt64;                # bytes: what the part file has, of which a life of fs's may lose up to 4 MiB until `rename` is answered;
                                     # or from where on to go on with `fill`, at the end the file's size
    done @8 :Void;
  }
}

struct FsEntries {
  list @0 :List(Toolstack.FileEntry);  # up to 16, in the directory's order, without "." and ".."; names are bytes of the disk's: any but 0 and "/"
  next @1 :UInt32;           # `first` of what follows; 0: that was all
}

struct FsData {
  bytes @0 :UInt32;          # in the pool; fewer than were asked for: the end
  fileBytes @1 :UInt64;
  version @2 :UInt64;        # another number: another file, or it was changed
}

struct FsUsage {
  device @0 :Text;           # of the partition, as Linux calls it: "mmcblk0p2", "vda2"
  totalKib @1 :UInt64;       # KiB, without what the file system needs for itself
  freeKib @2 :UInt64;        # KiB
  availableKib @3 :UInt64;   # KiB, without what is reserved for root
}

# Where a file's bytes are on the disk, for who reads and writes it past fs: a file used as a disk. Only files that are written in full have
# one: neither holes nor parts that were only allocated, so that writing changes no metadata. The map holds as long as nobody changes the
# file by a file system.
struct FsMap {
  disk @0 :Text;             # as Linux calls it: "vda"
  diskSectors @1 :UInt64;    # all of that disk
  fileBytes @2 :UInt64;
  extents @3 :List(DiskMap.Extent);  # up to 64, in the file's order, one behind the other; the last covers the file's last sector
  next @4 :UInt32;           # `first` of what follows; 0: that was all
}
