// SPDX-License-Identifier: Apache-2.0
#include "services/init/bundle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::init {

absl::StatusOr<Bundle> Bundle::Open(const BootInfo& boot) {
  const uint64_t bytes = boot.bundle_offset + boot.bundle_bytes;
  absl::StatusOr<runtime::Memory> memory =
      runtime::Memory::Map(boot.bundle, runtime::Access::kRead, 0,
                           (bytes + runtime::kPageBytes - 1) / runtime::kPageBytes);
  if (!memory.ok()) return memory.status();
  Bundle bundle;
  bundle.cap_ = boot.bundle;
  bundle.memory_ = *std::move(memory);
  const auto* begin = reinterpret_cast<const char*>(bundle.memory_.data() + boot.bundle_offset);
  if (absl::Status status = bundle.files_.Read({begin, boot.bundle_bytes}); !status.ok())
    return status;
  return bundle;
}

absl::StatusOr<std::string> Bundle::TakeSeed() {
  constexpr char kName[] = "seed";
  const absl::StatusOr<absl::string_view> file = files_.Find(kName);
  if (!file.ok()) return "";
  std::string seed(*file);
  const uint64_t begin = OffsetOf(*file);
  const uint64_t first_page = begin / runtime::kPageBytes;
  const uint64_t pages = (begin + seed.size() - 1) / runtime::kPageBytes - first_page + 1;
  files_.Forget(kName);
  if (seed.empty()) return seed;
  const absl::StatusOr<runtime::Memory> writable =
      runtime::Memory::Map(cap_, runtime::Access::kReadWrite, first_page, pages);
  if (!writable.ok()) return writable.status();
  std::fill_n(writable->data() + begin % runtime::kPageBytes, seed.size(), 0);
  return seed;
}

absl::StatusOr<Program> Bundle::FindProgram(const std::string& name) const {
  const absl::StatusOr<absl::string_view> file = files_.Find(name);
  if (!file.ok()) return file.status();
  absl::StatusOr<ElfImage> image =
      ReadElf({reinterpret_cast<const uint8_t*>(file->data()), file->size()});
  if (!image.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " can not be loaded: ", image.status().message()));
  }
  const uint64_t offset = OffsetOf(*file);
  if (offset % runtime::kPageBytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " does not begin on a page of the boot bundle"));
  }
  Program program{*std::move(image), *file, offset / runtime::kPageBytes, {}};
  const absl::StatusOr<absl::string_view> symbols =
      files_.Find(absl::StrCat("symbols.", name.substr(name.rfind('/') + 1)));
  if (symbols.ok()) program.symbols = *symbols;
  return program;
}

}  // namespace pyrene::init
