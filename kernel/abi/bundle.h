// SPDX-License-Identifier: Apache-2.0
//
// The boot bundle: a cpio archive ("newc"), handed over by the boot loader as initrd. Its maker
// starts each file's data on a page boundary, so that programs can be mapped in place. Read by the
// kernel (`init`, `symbols`) and by services; nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene {

struct BundleFile {
  const char* name = nullptr;  // terminated
  const char* data = nullptr;
  uint64_t bytes = 0;
};

class BundleReader {
 public:
  enum class Result { kFile, kEnd, kCorrupt };

  BundleReader(const char* bundle, uint64_t bytes) : bundle_(bundle), bytes_(bytes) {}

  // The next file, in the archive's order. kCorrupt also when the archive is cut off.
  Result Next(BundleFile& file) {
    if (bytes_ - at_ < kHeaderBytes) return Result::kCorrupt;
    const char* header = bundle_ + at_;
    uint64_t file_bytes, name_bytes;
    if (!Magic(header) || !Field(header, kFileSizeField, file_bytes) ||
        !Field(header, kNameSizeField, name_bytes))
      return Result::kCorrupt;
    const uint64_t data = Align4(at_ + kHeaderBytes + name_bytes);
    if (name_bytes == 0 || data > bytes_ || file_bytes > bytes_ - data) return Result::kCorrupt;
    file = {header + kHeaderBytes, bundle_ + data, file_bytes};
    if (file.name[name_bytes - 1] != '\0') return Result::kCorrupt;
    if (Equal(file.name, "TRAILER!!!")) return Result::kEnd;
    at_ = Align4(data + file_bytes);
    if (at_ > bytes_) at_ = bytes_;
    return Result::kFile;
  }

  // Looks from the beginning. kEnd: there is no such file.
  static Result Find(const char* bundle, uint64_t bytes, const char* name, BundleFile& file) {
    BundleReader reader(bundle, bytes);
    for (;;) {
      const Result result = reader.Next(file);
      if (result != Result::kFile || Equal(file.name, name)) return result;
    }
  }

 private:
  // A header: magic and 13 fields of eight hexadecimal digits.
  static constexpr uint64_t kHeaderBytes = 110;
  static constexpr unsigned kFileSizeField = 6;
  static constexpr unsigned kNameSizeField = 11;
  static constexpr unsigned kDigits = 8;

  static constexpr uint64_t Align4(uint64_t value) { return (value + 3) & ~uint64_t{3}; }

  static bool Equal(const char* left, const char* right) {
    for (; *left == *right; ++left, ++right) {
      if (*left == '\0') return true;
    }
    return false;
  }

  static bool Magic(const char* header) {
    const char magic[] = {'0', '7', '0', '7', '0', '1'};
    for (unsigned i = 0; i < sizeof(magic); ++i) {
      if (header[i] != magic[i]) return false;
    }
    return true;
  }

  static bool Field(const char* header, unsigned index, uint64_t& value) {
    value = 0;
    for (unsigned i = 0; i < kDigits; ++i) {
      const char c = header[6 + index * kDigits + i];
      uint64_t digit;
      if (c >= '0' && c <= '9') {
        digit = static_cast<uint64_t>(c - '0');
      } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        digit = static_cast<uint64_t>((c | 0x20) - 'a') + 10;
      } else {
        return false;
      }
      value = value << 4 | digit;
    }
    return true;
  }

  const char* bundle_;
  uint64_t bytes_;
  uint64_t at_ = 0;
};

}  // namespace pyrene
