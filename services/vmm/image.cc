// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/image.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kBlock = 2 * kMiB;
constexpr uint64_t kModuleOffset = 128 * kMiB;
constexpr uint64_t kMaxImage = uint64_t{1} << 32;

constexpr uint32_t kMagic = 0x644d5241;  // "ARM\x64"
constexpr uint64_t kMagicOffset = 56;
constexpr uint64_t kFlagBigEndian = 1;
constexpr unsigned kFlagPageShift = 1;
constexpr uint64_t kPages16K = 2;

template <typename T>
T Load(std::span<const uint8_t> bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

bool StartsWith(std::span<const uint8_t> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

absl::Status NotAnImage(std::span<const uint8_t> start) {
  const char* found = "not an arm64 Image";
  if (StartsWith(start, {0x1f, 0x8b})) {
    found = "compressed by gzip; unpack it first (gunzip)";
  } else if (StartsWith(start, {0xfd, '7', 'z', 'X', 'Z'})) {
    found = "compressed by xz; unpack it first (unxz)";
  } else if (StartsWith(start, {0x28, 0xb5, 0x2f, 0xfd})) {
    found = "compressed by zstd; unpack it first (unzstd)";
  } else if (StartsWith(start, {0x7f, 'E', 'L', 'F'})) {
    found = "an ELF file; an arm64 Image is wanted (arch/arm64/boot/Image)";
  } else if (start.size() >= 8 && StartsWith(start, {'M', 'Z'}) && start[4] == 'z' &&
             start[5] == 'i' && start[6] == 'm' && start[7] == 'g') {
    found = "a compressed EFI image (zboot); an arm64 Image is wanted";
  } else if (start.size() < ImageHeader::kBytes) {
    found = "too short for an arm64 Image";
  } else if (StartsWith(start, {'M', 'Z'})) {
    found = "an EFI program of another kind; an arm64 Image is wanted";
  }
  return absl::InvalidArgumentError(absl::StrCat("kernel is ", found));
}

constexpr uint64_t AlignUp(uint64_t value, uint64_t to) { return (value + to - 1) & ~(to - 1); }
constexpr uint64_t AlignDown(uint64_t value, uint64_t to) { return value & ~(to - 1); }

}  // namespace

absl::StatusOr<ImageHeader> ReadImageHeader(std::span<const uint8_t> start, uint64_t file_size) {
  if (start.size() < ImageHeader::kBytes || Load<uint32_t>(start, kMagicOffset) != kMagic) {
    return NotAnImage(start);
  }
  ImageHeader header;
  header.text_offset = Load<uint64_t>(start, 8);
  header.image_size = Load<uint64_t>(start, 16);
  header.flags = Load<uint64_t>(start, 24);
  if ((header.flags & kFlagBigEndian) != 0) {
    return absl::InvalidArgumentError("kernel is big-endian; only little-endian ones run here");
  }
  const uint64_t pages = header.flags >> kFlagPageShift & 3;
  if (pages == kPages16K) {
    return absl::InvalidArgumentError(
        "kernel is built for 16 KiB pages, which this machine's CPUs do not have");
  }
  // Before Linux 3.17 image_size was 0, and text_offset had another meaning.
  if (header.image_size == 0) {
    return absl::InvalidArgumentError(
        "kernel is older than Linux 3.17: its header has no image size");
  }
  if (header.image_size > kMaxImage || header.text_offset >= kBlock) {
    return absl::InvalidArgumentError(absl::StrCat("kernel has a damaged header: image size ",
                                                   header.image_size, ", text offset ",
                                                   header.text_offset));
  }
  if (file_size > header.image_size) header.image_size = file_size;
  return header;
}

absl::StatusOr<Placement> PlaceImage(const ImageHeader& header, uint64_t kernel_bytes,
                                     uint64_t initrd_bytes, uint64_t device_tree_bytes,
                                     uint64_t ram_base, uint64_t ram_bytes) {
  const uint64_t ram_end = ram_base + ram_bytes;
  const uint64_t kernel = ram_base + header.text_offset;
  const uint64_t kernel_size = std::max(header.image_size, kernel_bytes);
  const uint64_t kernel_end = AlignUp(kernel + kernel_size, kBlock);
  const uint64_t initrd_room = AlignUp(initrd_bytes, kPage);
  const uint64_t modules = initrd_room + AlignUp(device_tree_bytes, kPage);
  if (initrd_bytes > ram_bytes || device_tree_bytes > ram_bytes || kernel_end > ram_end ||
      modules > ram_end - kernel_end) {
    const uint64_t needed = (kernel_end - ram_base) + modules;
    return absl::ResourceExhaustedError(absl::StrCat("the guest's memory, ", ram_bytes / kMiB,
                                                     " MiB, is too small: kernel and initrd need ",
                                                     AlignUp(needed, kMiB) / kMiB, " MiB"));
  }
  uint64_t at = ram_base + kModuleOffset;
  if (at < kernel_end || ram_end < at || modules > ram_end - at) {
    at = AlignDown(ram_end - modules, kPage);
  }
  Placement placement;
  placement.kernel = kernel;
  placement.initrd = initrd_bytes == 0 ? 0 : at;
  placement.device_tree = at + initrd_room;
  return placement;
}

}  // namespace pyrene::vmm
