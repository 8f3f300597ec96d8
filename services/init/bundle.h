// SPDX-License-Identifier: Apache-2.0
//
// The boot bundle as init sees it, and the programs in it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernel/abi/boot_info.h"
#include "runtime/memory.h"
#include "services/init/bundle_files.h"
#include "services/init/elf_image.h"

namespace pyrene::init {

// A service's program, in place.
struct Program {
  ElfImage image;
  absl::string_view file;
  uint64_t bundle_page = 0;   // of the bundle's Memory: where `file` begins
  absl::string_view symbols;  // of the bundle's symbols.NAME; may be empty
};

class Bundle {
 public:
  static absl::StatusOr<Bundle> Open(const BootInfo& boot);

  CapIndex cap() const { return cap_; }  // read and execute
  const BundleFiles& files() const { return files_; }
  // Bytes from the beginning of the bundle's Memory.
  uint64_t OffsetOf(absl::string_view file) const {
    return static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(file.data()) - memory_.data());
  }

  // The file `seed`, random bytes of this boot; empty if there is none. It is overwritten with
  // zeros and forgotten: everybody may read the bundle, and what is derived from the seed is to be
  // secret. The error: it could not be overwritten, and is not to be relied on.
  absl::StatusOr<std::string> TakeSeed();

  // The message names the file.
  absl::StatusOr<Program> FindProgram(const std::string& name) const;

 private:
  CapIndex cap_ = kNullCap;
  runtime::Memory memory_;
  BundleFiles files_;
};

}  // namespace pyrene::init
