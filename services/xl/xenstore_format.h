// SPDX-License-Identifier: Apache-2.0
// Output of the xenstore-* commands as Debian's xenstore-utils 4.17 prints it, and the way values
// are quoted there.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::xl {

// Printable ASCII as it is but for the backslash, which is doubled; \t \n \r; other bytes below 8
// as \ooo (three octal digits), the rest as \xhh.
std::string QuoteXenstoreValue(absl::string_view value);

// The inverse, for xenstore-write: \t \n \r \\, \x with up to two hexadecimal digits, up to three
// octal digits; a backslash before anything else is dropped.
std::string UnquoteXenstoreValue(absl::string_view text);

// The store as the commands see it.
class XenstoreReader {
 public:
  virtual ~XenstoreReader() = default;
  virtual absl::StatusOr<std::vector<std::string>> Directory(
      const std::string& path) = 0;  // names of the children
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;
  virtual absl::StatusOr<XenstorePermissions> Permissions(const std::string& path) = 0;
};

struct XenstoreLsOptions {
  bool full_paths = false;   // -f
  bool permissions = false;  // -p
  size_t width = 80;         // of a line, without -f
};

// xenstore-ls PATH: everything below the path, given to `print` line by line.  The error is the
// text that follows "xenstore-ls: ".  A node that vanishes meanwhile is passed over.
class XenstorePrinter {
 public:
  virtual ~XenstorePrinter() = default;
  virtual void Print(absl::string_view text) = 0;
};
absl::Status ListXenstore(XenstoreReader& reader, const std::string& path,
                          const XenstoreLsOptions& options, XenstorePrinter& printer);

// xenstore-list [-p]: one child a line, with -p behind its parent's path.
std::string FormatXenstoreList(const std::string& path, const std::vector<std::string>& children,
                               bool prefix);

// xenstore-read [-p] [-R].
struct XenstoreReadOptions {
  bool prefix = false;  // -p: "path: " before the value
  bool raw = false;     // -R: the value's bytes and nothing else
};
std::string FormatXenstoreRead(const std::string& path, absl::string_view value,
                               const XenstoreReadOptions& options);

// xenstore-watch: one line for each event.
std::string FormatXenstoreWatch(absl::string_view path);

// Failures: whole lines.
std::string MessageCannotReadPath(absl::string_view path);
std::string MessageCannotWritePath(absl::string_view path);
std::string MessageCannotRemovePath(absl::string_view path);
std::string MessageCannotListPath(absl::string_view path);
std::string MessageCannotWatchPath(absl::string_view path);
std::string MessageCannotChmodPath(absl::string_view path, const absl::Status& status);
std::string MessageInvalidPermission(char letter);

// What strerror says for the error that XenStore returned: "Permission denied" for PermissionDenied
// and so on.
std::string XenstoreErrorText(const absl::Status& status);

}  // namespace pyrene::xl
