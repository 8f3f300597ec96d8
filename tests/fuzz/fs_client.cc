// SPDX-License-Identifier: Apache-2.0
//
// A client's messages to fs: each that is understood has one answer, under its own number; the pool
// is written where a read said so and nowhere else.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "proto/connect.h"
#include "proto/message.h"
#include "services/fs/fs_server.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/sparse_image.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::FsRequest)

// What is served is one of target fs_volume's file systems.
__asm__(
    ".pushsection .rodata\n"
    ".global kPyreneFuzzImage, kPyreneFuzzImageEnd\n"
    "kPyreneFuzzImage: .incbin \"tests/fuzz/corpus/fs_volume/ext4\"\n"
    "kPyreneFuzzImageEnd: .byte 0\n"
    ".popsection\n");
extern "C" const uint8_t kPyreneFuzzImage[], kPyreneFuzzImageEnd[];

namespace pyrene::fs {
namespace {

using fuzz::Require;
using fuzz::SparseImage;

constexpr uint32_t kPoolBytes = 8192;

class World {
 public:
  World() {
    FsServer::Source source;
    source.disk = "vda";
    source.disk_sectors = [] { return SparseImage::kFirst + SparseImage::kSectors; };
    source.may_change = true;
    source.volume = [this](Volume::Replay) -> absl::StatusOr<Volume*> {
      // Now and then there is no disk.
      if (++mounts_ % 16 == 0) return absl::UnavailableError("no medium");
      return volume_.get();
    };
    source.find = [](const std::string& name) -> absl::StatusOr<Extent> {
      Require(!name.empty() && name.size() <= 31);
      if (name != "vda2") return absl::NotFoundError("no " + name);
      return Extent{SparseImage::kFirst, SparseImage::kSectors};
    };
    server_ = std::make_unique<FsServer>(std::move(*peer().Open()), std::move(source));
  }

  void Play(const uint8_t* data, size_t bytes) {
    peer().Connect();
    server_->Serve();
    for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
      std::memset(peer().pool(), kUnwritten, kPoolBytes);
      id_ = first_ = end_ = 0;
      proto::ReadMessage<proto::FsRequest>(
          kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size()),
          [this](proto::FsRequest::Reader request) {
            id_ = request.getId();
            if (!request.isRead()) return absl::OkStatus();
            first_ = request.getRead().getPlace();
            end_ = uint64_t{first_} + request.getRead().getBytes();
            return absl::OkStatus();
          })
          .IgnoreError();
      const bool sent = peer().Send(message);
      for (int i = 0; i < 3; ++i) server_->Serve();
      const size_t answers = peer().Drain([this](const uint8_t* answer, size_t length) {
        Check(reinterpret_cast<const capnp::word*>(answer), length / sizeof(capnp::word));
      });
      const bool broken = peer().Broken();
      Require(answers == (sent && !broken ? 1 : 0) && (!broken || answers == 0));
      for (uint32_t i = 0; i < kPoolBytes; ++i)
        Require((i >= first_ && i < end_) || peer().pool()[i] == kUnwritten);
      if (broken) {
        peer().Connect();
        server_->Serve();
      }
    }
  }

 private:
  static constexpr uint8_t kUnwritten = 0xa5;

  static fuzz::Peer& peer() {
    static auto& one =
        *new fuzz::Peer(proto::SchemaId<proto::FsRequest>(), proto::Side::kClient, kPoolBytes);
    return one;
  }

  void Check(const capnp::word* words, size_t count) {
    const absl::Status read =
        proto::ReadMessage<proto::FsReply>(kj::arrayPtr(words, count), [this](auto reply) {
          Require(reply.getId() == id_ && id_ != 0);
          if (reply.isData()) Require(reply.getData().getBytes() <= end_ - first_);
          if (reply.isFailed()) Require(reply.getFailed().getReason().size() != 0);
          if (reply.isEntries()) Require(reply.getEntries().getList().size() <= 16);
          return absl::OkStatus();
        });
    Require(read.ok());
  }

  SparseImage image_{kPyreneFuzzImage, static_cast<size_t>(kPyreneFuzzImageEnd - kPyreneFuzzImage)};
  std::unique_ptr<Volume> volume_ =
      *Volume::Mount(image_, SparseImage::kFirst, SparseImage::kSectors, "vda2");
  std::unique_ptr<FsServer> server_;
  unsigned mounts_ = 0;
  uint32_t id_ = 0;  // of the request
  uint32_t first_ = 0;
  uint64_t end_ = 0;
};

}  // namespace
}  // namespace pyrene::fs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  pyrene::fs::World world;
  world.Play(data, bytes);
  return 0;
}
