// SPDX-License-Identifier: Apache-2.0
//
// fs's answers to init, which reads a guest's kernel and RAM disk and asks where its disks are:
// what is told of a job that succeeded lies within its memory and within the disk.
#include <string>
#include <utility>
#include <vector>

#include "services/init/file_loader.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::FsReply)

namespace pyrene::init {
namespace {

using fuzz::Require;

constexpr uint32_t kPoolBytes = 4096;
constexpr uint64_t kMost = 1 << 16;

class World {
 public:
  World() {
    // Jobs of each kind; the last is given up.
    Add({"/kernel", "/ramdisk"}, {{true, "/disk"}, {false, "vda1"}});
    Add({"/kernel"}, {});
    Add({}, {{true, "/disk"}});
    Add({}, {{false, "/dev/vda2"}});
    loader_.Cancel(Add({"/other"}, {}));
  }

  FileLoader& loader() { return loader_; }
  static fuzz::Peer& peer() {
    static auto& one =
        *new fuzz::Peer(proto::SchemaId<proto::FsRequest>(), proto::Side::kServer, kPoolBytes);
    return one;
  }

 private:
  uint64_t Add(const std::vector<std::string>& paths,
               const std::vector<FileLoader::DiskName>& disks) {
    const size_t number = memory_.size();
    memory_.emplace_back();
    FileLoader::Job job;
    job.paths = paths;
    job.disks = disks;
    job.most = kMost;
    job.allocate = [this, number](uint64_t bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
      Require(bytes != 0 && bytes <= kMost + 2 * 4096 && memory_[number].empty());
      memory_[number].resize(bytes);
      return absl::MakeSpan(memory_[number]);
    };
    job.done = [this, number, files = paths.size(),
                disks = disks.size()](absl::StatusOr<FileLoader::Loaded> loaded) {
      if (loaded.ok()) Check(*loaded, memory_[number].size(), files, disks);
    };
    return loader_.Add(std::move(job));
  }
  static void Check(const FileLoader::Loaded& loaded, uint64_t memory, size_t files, size_t disks) {
    Require(loaded.files.size() == files && loaded.disks.size() == disks);
    uint64_t end = 0;
    for (const FileLoader::Range& file : loaded.files) {
      Require(file.bytes != 0 && file.offset % 4096 == 0 && file.offset >= end &&
              file.bytes <= memory - file.offset);
      end = file.offset + file.bytes;
    }
    for (const block::DiskMap& map : loaded.disks) {
      Require(!map.extents.empty() && map.extents.size() <= block::kMaxExtents);
      for (const block::Extent& extent : map.extents) {
        Require(extent.sectors != 0 && extent.sector < map.device_sectors &&
                extent.sectors <= map.device_sectors - extent.sector);
      }
    }
  }

  std::vector<std::vector<uint8_t>> memory_;
  std::unique_ptr<runtime::EventLoop> loop_ = std::move(*runtime::EventLoop::Create());
  FileLoader loader_{*loop_, std::move(*peer().Open()), 0};
};

}  // namespace
}  // namespace pyrene::init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using pyrene::init::World;
  World world;
  pyrene::fuzz::SendAll(World::peer(), data, bytes, [&] { world.loader().OnWake(); });
  return 0;
}
