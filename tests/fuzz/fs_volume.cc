// SPDX-License-Identifier: Apache-2.0
//
// A damaged or forged ext2, ext3 or ext4 file system: each operation ends within its budget of
// reads, nothing outside of the partition is read, written or told as a file's place, and names are
// names. Whatever is in the journal is replayed, and if the file system can be written, it is.
//
// An input is a disk (sparse_image.h).
#include <string>
#include <vector>

#include "services/fs/volume.h"
#include "tests/fuzz/sparse_image.h"

namespace pyrene::fs {
namespace {

using fuzz::Require;
using fuzz::SparseImage;

class Walk {
 public:
  Walk(SparseImage& image, Volume& volume) : image_(image), volume_(volume) {}

  void Directory(const std::string& path, int depth) {
    uint32_t first = 0;
    for (int parts = 0; parts < 4; ++parts) {
      const uint64_t before = image_.reads();
      const auto listing = volume_.List(path, first, 6);
      Require(image_.reads() - before <= Volume::kMaxReads);
      if (!listing.ok()) return;
      Require(listing->entries.size() <= 6);
      for (const FileInfo& entry : listing->entries) {
        Require(!entry.name.empty() && entry.name.size() <= 255 &&
                entry.name.find('/') == std::string::npos);
        if (--left_ > 0) File(path + "/" + entry.name, depth);
      }
      if (listing->next == 0) return;
      Require(listing->next == first + 6);
      first = listing->next;
    }
  }

 private:
  void File(const std::string& path, int depth) {
    const uint64_t before = image_.reads();
    const auto info = volume_.Stat(path);
    Require(image_.reads() - before <= Volume::kMaxReads);
    std::vector<uint8_t> bytes(5000);
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1023}, uint64_t{4096}, ~uint64_t{0} - 1}) {
      const auto part = volume_.Read(path, offset, absl::MakeSpan(bytes));
      if (part.ok()) Require(part->bytes <= bytes.size() && part->bytes <= part->file_bytes);
    }
    if (const auto map = volume_.Map(path); map.ok()) {
      uint64_t sectors = 0;
      for (const Extent& extent : map->extents) {
        Require(extent.sectors != 0 && extent.sector >= SparseImage::kFirst &&
                extent.sector - SparseImage::kFirst < SparseImage::kSectors &&
                extent.sectors <= SparseImage::kSectors - (extent.sector - SparseImage::kFirst));
        sectors += extent.sectors;
      }
      Require(map->extents.size() <= Volume::kMaxExtents &&
              sectors == map->bytes / kSectorBytes + (map->bytes % kSectorBytes != 0));
    }
    if (info.ok() && info->is_directory && depth > 0) Directory(path, depth - 1);
  }

  SparseImage& image_;
  Volume& volume_;
  int left_ = 24;  // files
};

// Each may fail; then nothing that follows is done, as the service mounts again.
void Change(Volume& volume) {
  for (const char* path : {"/file", "/folder/file", "/link"}) {
    uint64_t offset = 0;
    for (int i = 0; i < 4 && !volume.stale(); ++i) {
      const auto next = volume.FillHoles(path, offset);
      if (!next.ok() || *next == offset) break;
      Require(*next > offset);
      offset = *next;
    }
  }
  const std::string text(5000, 't');
  volume.MakeDirectory("/made").IgnoreError();
  if (const auto file = volume.StartFile(text.size()); file.ok()) {
    const auto grown =
        volume.Append(file->number, 0, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
    if (grown.ok()) Require(*grown == text.size() || *grown == 0);
    volume.Rename(Volume::kPartFile, "/file", file->number).IgnoreError();
  }
  for (const char* path : {"/link", "/folder", "/made", "/file"}) {
    if (const auto file = volume.Look(path); file.ok())
      volume.Remove(path, file->number).IgnoreError();
  }
}

}  // namespace
}  // namespace pyrene::fs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene::fs;
  SparseImage image(data, bytes);
  const auto volume = Volume::Mount(image, SparseImage::kFirst, SparseImage::kSectors, "vda2",
                                    Volume::Replay::kAny);
  if (!volume.ok()) return 0;
  const Usage usage = (*volume)->GetUsage();
  Require(usage.total_kib <= SparseImage::kSectors / 2);
  Walk walk(image, **volume);
  walk.Directory("/", 2);
  Change(**volume);
  return 0;
}
