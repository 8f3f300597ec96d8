# SPDX-License-Identifier: Apache-2.0
#
# Between a disk's driver (server) and those who use the disk: fs, blkback. Data does not travel in the channel: each channel has a data Memory
# of the manifest's, which both ends hold, and a request names a place in it. The Memory is DMA memory where the device is a DMA master, so
# data is copied by nobody between the client and the device.
#
# The driver may die at any moment. A client keeps each request, and its data, until it is answered, and sends all unanswered ones again, in
# their order, when the next connection's `disk` event has come: each request may be carried out more than once, wholly or in part.
# Of the requests of a client's former life none is carried out after the `disk` event of its next connection.
#
# Order: a read, write or discard may pass another one. A flush begins when all requests that its client sent before it have ended, and what
# was sent after it begins when it has ended. A write that was answered before the flush was sent is on the medium when the flush is answered.
#
# Sectors are of 512 bytes, whatever the disk's are; sector and count must be multiples of the disk's.
@0xd1f1c3a7be0c4a55;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

# Client to driver, after the connection's `disk` event; at most DiskFacts.depth unanswered.
struct BlockRequest {
  id @0 :UInt32;            # comes back in `done`; unique among the client's unanswered ones
  union {
    read @1 :Transfer;
    write @2 :Transfer;
    flush @3 :Void;
    discard @4 :SectorRange;  # the content is not needed any more; what is read afterwards is undefined
  }
}

struct Transfer {
  sector @0 :UInt64;        # first, of 512 bytes
  count @1 :UInt32;         # sectors, 1..DiskFacts.maxSectors
  offset @2 :UInt32;        # bytes from the data Memory's begin, a multiple of 512
}

struct SectorRange {
  sector @0 :UInt64;        # first, of 512 bytes
  count @1 :UInt32;         # sectors, 1..DiskFacts.maxDiscard
}

# Driver to client.
struct BlockEvent {
  union {
    disk @0 :DiskFacts;     # the first event of each connection, and again when something has changed
    done @1 :Completion;
  }
}

struct DiskFacts {
  sectors @0 :UInt64;       # of 512 bytes; 0: there is no medium now
  sectorBytes @1 :UInt32 = 512;  # the device's own, a power of two, 512..4096
  readOnly @2 :Bool;
  depth @3 :UInt16;         # requests that may be unanswered, 1..64
  maxSectors @4 :UInt32;    # of a transfer
  maxDiscard @5 :UInt32;    # sectors of a discard; 0: this disk has none
  medium @6 :UInt32;        # another number: another medium, or another size of it
}

struct Completion {
  id @0 :UInt32;
  status @1 :BlockStatus;
}

enum BlockStatus {
  ok @0;
  ioError @1;               # after the driver's own retries
  invalid @2;               # out of the ranges above, of the disk or of the data Memory
  readOnly @3;
  notSupported @4;          # discard on a disk without
  noMedium @5;              # the card was taken out
}
