// SPDX-License-Identifier: Apache-2.0
// One element of `disk = [ ... ]` (also the arguments of `xl block-attach`), in the new and the old
// notation:
//
//   [target, [format, [vdev, [access]]]], key=value or flag, ..., [target=target]
//   PREFIX:target, vdev[:cdrom|:disk], access
//
// Parameters are separated by commas and may come in any order; white space around them is ignored;
// one that is no flag and contains no '=' is the next positional one that is still open.  An empty
// value is the default.  Naming a parameter again with another value is an error.  "target=" takes
// the rest of the text verbatim.
//
// Prefixes: phy: file: raw: qcow: qcow2: vhd: tap: tap2: tapdisk: aio: ioemu:, several at once
// (tap:aio:), and the block scripts iscsi: nbd: enbd: drbd:.  With one of them there is no
// positional format.  `ram:SIZE`, a RAM disk, is Pyrene's own; SIZE is a number with one of the
// suffixes K M G (KiB, MiB, GiB), or none (bytes).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pyrene::xl {

inline constexpr size_t kMaxDiskSpecBytes = 4096;

struct DiskSpec {
  enum class Format { kRaw, kQcow, kQcow2, kVhd, kQed, kEmpty };
  enum class BackendType { kAny, kPhy, kQdisk, kStandalone, kTap };
  enum class Specification { kXen, kVirtio };
  enum class Source {
    kPath,  // no prefix, or one that says nothing: a block device or a file, by what is there
    kPhy,   // phy: a block device
    kFile,  // file: a file
    kRam,   // ram: ram_bytes bytes of memory; target is what stands after the prefix
  };

  std::string target;  // empty only for an empty cdrom drive
  Source source = Source::kPath;
  std::string file;        // of kFile, once ParseGuestConfig has let it pass: as fs knows it
  uint64_t ram_bytes = 0;  // a multiple of 512
  Format format = Format::kRaw;
  std::string vdev;          // as given, "xvda"
  uint32_t vdev_number = 0;  // vdev.h
  bool read_only = false;
  bool cdrom = false;
  bool removable = false;
  std::string backend;  // the back-end's name; empty: the default one
  BackendType backend_type = BackendType::kAny;
  std::string script;
  bool direct_io_safe = false;
  std::optional<bool> discard;  // absent: on where the disk has it
  bool trusted = true;
  Specification specification = Specification::kXen;
  std::optional<bool> grant_usage;
};

absl::StatusOr<DiskSpec> ParseDiskSpec(absl::string_view text);

// The same from several arguments, each of which continues where the one before ended.
absl::StatusOr<DiskSpec> ParseDiskSpecParts(absl::Span<const std::string> parts);

// As in a disk specification: "raw", "phy".  kAny is "".
absl::string_view DiskFormatName(DiskSpec::Format format);
absl::string_view BackendTypeName(DiskSpec::BackendType type);

}  // namespace pyrene::xl
