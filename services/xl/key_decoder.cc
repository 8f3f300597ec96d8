// SPDX-License-Identifier: Apache-2.0
#include "services/xl/key_decoder.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "services/xl/utf8.h"

namespace pyrene::xl {
namespace {

constexpr uint8_t kEscapeByte = 0x1b;
constexpr uint8_t kCancel = 0x18;
constexpr uint8_t kSubstitute = 0x1a;
constexpr uint8_t kDeleteByte = 0x7f;
constexpr size_t kMaxParameters = 16;  // bytes of a control sequence; longer ones are no keys

KeyPress Key(KeyCode code) { return {code, "", '\0'}; }

// The final byte of cursor keys, after CSI or SS3.
std::optional<KeyPress> CursorKey(uint8_t final, bool with_modifier) {
  switch (final) {
    case 'A':
      return Key(KeyCode::kUp);
    case 'B':
      return Key(KeyCode::kDown);
    case 'C':
      return Key(with_modifier ? KeyCode::kWordRight : KeyCode::kRight);
    case 'D':
      return Key(with_modifier ? KeyCode::kWordLeft : KeyCode::kLeft);
    case 'H':
      return Key(KeyCode::kHome);
    case 'F':
      return Key(KeyCode::kEnd);
    default:
      return std::nullopt;
  }
}

// The number in front of '~' of the VT220's keys.
std::optional<KeyPress> NumberedKey(absl::string_view parameters) {
  const absl::string_view number = parameters.substr(0, parameters.find(';'));
  if (number == "1" || number == "7") return Key(KeyCode::kHome);
  if (number == "3") return Key(KeyCode::kDelete);
  if (number == "4" || number == "8") return Key(KeyCode::kEnd);
  return std::nullopt;
}

}  // namespace

std::optional<KeyPress> KeyDecoder::Feed(uint8_t byte) {
  const bool after_carriage_return = std::exchange(after_carriage_return_, false);
  if (byte == '\n' && after_carriage_return) return std::nullopt;
  if (state_ != State::kGround && (byte == kCancel || byte == kSubstitute)) {
    state_ = State::kGround;
    return std::nullopt;
  }
  switch (state_) {
    case State::kGround:
      return Ground(byte);
    case State::kEscape:
      return Escape(byte);
    case State::kCsi:
      return Csi(byte);
    case State::kCsiLinux:  // the Linux console's function keys: ESC [ [ A
      state_ = State::kGround;
      return std::nullopt;
    case State::kSs3:
      return Ss3(byte);
    case State::kUtf8:
      return Continuation(byte);
  }
  return std::nullopt;
}

std::optional<KeyPress> KeyDecoder::Ground(uint8_t byte) {
  switch (byte) {
    case '\r':
      after_carriage_return_ = true;
      return Key(KeyCode::kEnter);
    case '\n':
      return Key(KeyCode::kEnter);
    case '\t':
      return Key(KeyCode::kTab);
    case '\b':
    case kDeleteByte:
      return Key(KeyCode::kBackspace);
    case kEscapeByte:
      state_ = State::kEscape;
      return std::nullopt;
    default:
      break;
  }
  if (byte >= 1 && byte <= 26)
    return KeyPress{KeyCode::kControl, "", static_cast<char>('a' + byte - 1)};
  if (byte < 0x20) return Key(KeyCode::kInvalid);
  if (byte < 0x80) return KeyPress{KeyCode::kText, std::string(1, static_cast<char>(byte)), '\0'};
  length_ = Utf8Length(byte);
  if (length_ == 0) return Key(KeyCode::kInvalid);
  sequence_.assign(1, static_cast<char>(byte));
  state_ = State::kUtf8;
  return std::nullopt;
}

std::optional<KeyPress> KeyDecoder::Escape(uint8_t byte) {
  state_ = State::kGround;
  switch (byte) {
    case '[':
      sequence_.clear();
      state_ = State::kCsi;
      return std::nullopt;
    case 'O':
      state_ = State::kSs3;
      return std::nullopt;
    case kEscapeByte:
      state_ = State::kEscape;
      return std::nullopt;
    case 'b':
    case 'B':
      return Key(KeyCode::kWordLeft);
    case 'f':
    case 'F':
      return Key(KeyCode::kWordRight);
    case 'd':
    case 'D':
      return Key(KeyCode::kDeleteWord);
    case '\b':
    case kDeleteByte:
      return Key(KeyCode::kBackspaceWord);
    case '\r':
    case '\n':
      return Ground(byte);  // a stray escape must not swallow the end of a line
    default:
      return std::nullopt;
  }
}

std::optional<KeyPress> KeyDecoder::Csi(uint8_t byte) {
  if (byte == kEscapeByte) {
    state_ = State::kEscape;
    return std::nullopt;
  }
  if (byte < 0x20 || byte > 0x7e) {  // no byte of a control sequence: it was cut off
    state_ = State::kGround;
    return Ground(byte);
  }
  if (byte < 0x40) {
    if (sequence_.size() < kMaxParameters) sequence_.push_back(static_cast<char>(byte));
    return std::nullopt;
  }
  if (byte == '[' && sequence_.empty()) {
    state_ = State::kCsiLinux;
    return std::nullopt;
  }
  state_ = State::kGround;
  if (byte == '~') return NumberedKey(sequence_);
  return CursorKey(byte, sequence_.find(';') != std::string::npos);
}

std::optional<KeyPress> KeyDecoder::Ss3(uint8_t byte) {
  state_ = State::kGround;
  if (byte < 0x20 || byte > 0x7e) return Ground(byte);
  return CursorKey(byte, false);
}

std::optional<KeyPress> KeyDecoder::Continuation(uint8_t byte) {
  if ((byte & 0xc0) != 0x80) {  // cut off: the byte stands for itself
    state_ = State::kGround;
    return Ground(byte);
  }
  sequence_.push_back(static_cast<char>(byte));
  if (sequence_.size() < length_) return std::nullopt;
  state_ = State::kGround;
  const int32_t code_point = Utf8Decode(sequence_);
  if (code_point < 0xa0)
    return Key(KeyCode::kInvalid);  // malformed, or a control character of ISO 6429
  return KeyPress{KeyCode::kText, sequence_, '\0'};
}

}  // namespace pyrene::xl
