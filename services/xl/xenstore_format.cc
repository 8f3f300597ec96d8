// SPDX-License-Identifier: Apache-2.0
#include "services/xl/xenstore_format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pyrene::xl {
namespace {

// Room that ` = "..."` takes around a value that is cut.
constexpr size_t kFrame = 8;
// Without -f, permissions begin in this column where the value leaves room.
constexpr size_t kPermissionsColumn = 60;

// How much of a text is shown where `used` of `width` columns are taken; all of it where they are
// more than there are.
size_t Room(size_t width, size_t used) {
  return width >= used ? width - used : absl::string_view::npos;
}

struct Place {
  std::string path;
  size_t depth = 0;
};

class Lister {
 public:
  Lister(XenstoreReader& reader, const XenstoreLsOptions& options, XenstorePrinter& printer)
      : reader_(reader), options_(options), printer_(printer) {}

  absl::Status List(const std::string& top) {
    if (absl::Status status = PushChildren(top, 0); !status.ok()) return status;
    // A stack of its own: a path of XenStore may be a thousand levels deep.
    while (!stack_.empty()) {
      const Place place = std::move(stack_.back());
      stack_.pop_back();
      PrintNode(place);
      if (absl::Status status = PushChildren(place.path, place.depth + 1); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status PushChildren(const std::string& path, size_t depth) {
    absl::StatusOr<std::vector<std::string>> children = reader_.Directory(path);
    if (!children.ok()) {
      if (depth > 0 && absl::IsNotFound(children.status())) return absl::OkStatus();
      return absl::Status(
          children.status().code(),
          absl::StrCat("xs_directory (", path, "): ", XenstoreErrorText(children.status())));
    }
    const absl::string_view slash = !path.empty() && path.back() == '/' ? "" : "/";
    for (auto name = children->rbegin(); name != children->rend(); ++name) {
      stack_.push_back({absl::StrCat(path, slash, *name), depth});
    }
    return absl::OkStatus();
  }

  void PrintNode(const Place& place) {
    const absl::string_view name = absl::string_view(place.path).substr(place.path.rfind('/') + 1);
    std::string line;
    if (options_.full_paths) {
      line = place.path;
    } else {
      line.append(place.depth, ' ');
      absl::StrAppend(&line, name.substr(0, Room(options_.width, kFrame + place.depth)));
    }
    AppendValue(place.path, line);
    if (options_.permissions) {
      absl::StatusOr<XenstorePermissions> permissions = reader_.Permissions(place.path);
      if (permissions.ok()) absl::StrAppend(&line, "  (", FormatPermissions(*permissions), ")");
    }
    line += '\n';
    printer_.Print(line);
  }

  void AppendValue(const std::string& path, std::string& line) {
    absl::StatusOr<std::string> value = reader_.Read(path);
    if (!value.ok()) {
      line += ":\n";
      return;
    }
    const std::string quoted = QuoteXenstoreValue(*value);
    if (!options_.full_paths && options_.width < line.size() + value->size() + kFrame) {
      const size_t room = Room(options_.width, kFrame + line.size());
      absl::StrAppend(&line, " = \"", absl::string_view(quoted).substr(0, room), "\\...\"");
      return;
    }
    absl::StrAppend(&line, " = \"", quoted, "\"");
    if (!options_.permissions) return;
    line += ' ';
    const size_t column = options_.full_paths ? 0 : std::min(kPermissionsColumn, options_.width);
    while (line.size() < column) line += (line.size() & 1) != 0 ? '.' : ' ';
  }

  XenstoreReader& reader_;
  const XenstoreLsOptions& options_;
  XenstorePrinter& printer_;
  std::vector<Place> stack_;
};

}  // namespace

std::string QuoteXenstoreValue(absl::string_view value) {
  std::string text;
  text.reserve(value.size());
  for (const char c : value) {
    const unsigned byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\t':
        text += "\\t";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\\':
        text += "\\\\";
        break;
      default:
        if (byte < 8) {
          absl::StrAppendFormat(&text, "\\%03o", byte);
        } else if (byte < ' ' || byte > '~') {
          absl::StrAppendFormat(&text, "\\x%02x", byte);
        } else {
          text += c;
        }
    }
  }
  return text;
}

std::string UnquoteXenstoreValue(absl::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      value += text[i];
      continue;
    }
    if (++i == text.size()) break;
    const char letter = text[i];
    if (letter == 't' || letter == 'n' || letter == 'r') {
      value += letter == 't' ? '\t' : letter == 'n' ? '\n' : '\r';
    } else if (letter == 'x' || octal(letter)) {
      const bool hex = letter == 'x';
      const size_t max_digits = hex ? 2 : 3;
      size_t end = hex ? i + 1 : i;
      unsigned byte = 0;
      size_t digits = 0;
      while (digits < max_digits && end < text.size() &&
             (hex ? absl::ascii_isxdigit(text[end]) : octal(text[end]))) {
        const unsigned digit = absl::ascii_isdigit(text[end])
                                   ? text[end] - '0'
                                   : absl::ascii_tolower(text[end]) - 'a' + 10;
        byte = byte * (hex ? 16 : 8) + digit;
        ++digits;
        ++end;
      }
      value += static_cast<char>(byte);
      i = end - 1;
    } else {
      value += letter;
    }
  }
  return value;
}

absl::Status ListXenstore(XenstoreReader& reader, const std::string& path,
                          const XenstoreLsOptions& options, XenstorePrinter& printer) {
  return Lister(reader, options, printer).List(path);
}

std::string FormatXenstoreList(const std::string& path, const std::vector<std::string>& children,
                               bool prefix) {
  std::string text;
  for (const std::string& child : children) {
    if (prefix) absl::StrAppend(&text, path == "/" ? "" : path, "/");
    absl::StrAppend(&text, child, "\n");
  }
  return text;
}

std::string FormatXenstoreRead(const std::string& path, absl::string_view value,
                               const XenstoreReadOptions& options) {
  std::string text = options.prefix ? absl::StrCat(path, ": ") : "";
  if (options.raw) {
    absl::StrAppend(&text, value);
  } else {
    absl::StrAppend(&text, QuoteXenstoreValue(value), "\n");
  }
  return text;
}

std::string FormatXenstoreWatch(absl::string_view path) { return absl::StrCat(path, "\n"); }

std::string MessageCannotReadPath(absl::string_view path) {
  return absl::StrCat("xenstore-read: couldn't read path ", path, "\n");
}

std::string MessageCannotWritePath(absl::string_view path) {
  return absl::StrCat("xenstore-write: could not write path ", path, "\n");
}

std::string MessageCannotRemovePath(absl::string_view path) {
  return absl::StrCat("xenstore-rm: could not remove path ", path, "\n");
}

std::string MessageCannotListPath(absl::string_view path) {
  return absl::StrCat("xenstore-list: could not list path ", path, "\n");
}

std::string MessageCannotWatchPath(absl::string_view path) {
  return absl::StrCat("xenstore-watch: Unable to add watch on ", path, "\n");
}

std::string MessageCannotChmodPath(absl::string_view path, const absl::Status& status) {
  return absl::StrCat("xenstore-chmod: Error occurred setting permissions on '", path,
                      "': ", XenstoreErrorText(status), "\n");
}

std::string MessageInvalidPermission(char letter) {
  return absl::StrCat("xenstore-chmod: Invalid permission specification: '",
                      absl::string_view(&letter, 1), "'\n");
}

std::string XenstoreErrorText(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return "No such file or directory";
    case absl::StatusCode::kPermissionDenied:
      return "Permission denied";
    case absl::StatusCode::kInvalidArgument:
      return "Invalid argument";
    case absl::StatusCode::kAlreadyExists:
      return "File exists";
    case absl::StatusCode::kResourceExhausted:
      return "No space left on device";
    case absl::StatusCode::kAborted:
      return "Resource temporarily unavailable";
    case absl::StatusCode::kUnavailable:
      return "Input/output error";
    case absl::StatusCode::kUnimplemented:
      return "Function not implemented";
    default:
      return std::string(status.message());
  }
}

}  // namespace pyrene::xl
