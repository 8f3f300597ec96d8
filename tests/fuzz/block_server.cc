// SPDX-License-Identifier: Apache-2.0
//
// A client's messages to a disk's driver: the disk is asked for nothing that it does not have, and
// each request that it takes is answered once.
#include "platform/block/block_server.h"

#include <utility>
#include <vector>

#include "proto/connect.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::BlockRequest)

namespace pyrene::block {
namespace {

constexpr uint32_t kDataBytes = 65536;

class CheckingDisk final : public Disk {
 public:
  const DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return running_.size() < 4; }
  void Start(const DiskRequest& request) override {
    if (request.operation != Operation::kFlush) {
      fuzz::Require(request.count != 0 && request.sector < facts_.sectors &&
                    request.count <= facts_.sectors - request.sector && request.count % 2 == 0 &&
                    request.sector % 2 == 0);
      const bool discard = request.operation == Operation::kDiscard;
      fuzz::Require(request.count <= (discard ? facts_.max_discard : facts_.max_sectors));
      fuzz::Require(discard || uint64_t{request.offset} + uint64_t{request.count} * kSectorBytes <=
                                   kDataBytes);
    }
    running_.push_back(request.tag);
  }
  void OnInterrupt() override {
    if (running_.empty()) return;
    const uint32_t tag = running_.back();
    running_.pop_back();
    Complete(tag, proto::BlockStatus::OK);
  }

 private:
  DiskFacts facts_{.sectors = 1000, .sector_bytes = 1024, .max_sectors = 64, .max_discard = 500};
  std::vector<uint32_t> running_;
};

}  // namespace
}  // namespace pyrene::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer = *new fuzz::Peer(proto::SchemaId<proto::BlockRequest>(), proto::Side::kClient);
  static uint8_t memory[block::kDataBytes];
  block::CheckingDisk disk;
  block::BlockServer server(disk);
  server.AddClient(peer.Open(), {memory, sizeof(memory), 0});
  unsigned turn = 0;
  fuzz::SendAll(peer, data, bytes, [&] {
    server.Round();
    if (++turn % 3 == 0) disk.OnInterrupt();
  });
  for (int i = 0; i < 200; ++i) {
    disk.OnInterrupt();
    peer.Drain();
    server.Round();
  }
  fuzz::Require(!server.Round());
  return 0;
}
