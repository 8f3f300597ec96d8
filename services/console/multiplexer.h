// SPDX-License-Identifier: Apache-2.0
//
// The serial line and who has it: xl, or one guest.
//
// Out go console's own messages and what xl writes, then the output of the attached guest; a guest
// that is not attached is collected. What is typed goes to who has the line: a guest gets it from
// here, xl's is fetched (input()). Ctrl-] takes the line away from a guest. When the attached guest
// goes away, its last words are shown first.
//
// All text lies in the journal until the UART has it, and so does the attachment: the next life
// goes on where this one stopped. Typed bytes are not given twice: those that a death catches
// between here and their receiver are lost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/console/guest_console.h"
#include "services/console/journal.h"
#include "services/console/serial_port.h"

namespace pyrene::console {

enum class DetachReason : uint8_t { kEscape, kGuestGone, kRequested };

class Multiplexer {
 public:
  static constexpr uint32_t kMaxWrite = 4096;

  Multiplexer(Journal& journal, SerialPort& port) : journal_(journal), port_(port) {}

  // Told when the line has become xl's again.
  void OnDetached(std::function<void(DetachReason)> handler) { on_detached_ = std::move(handler); }

  // The guest's console; made if there is none.
  GuestConsole& AddGuest(uint16_t domid);
  GuestConsole* FindGuest(uint16_t domid);
  // The guest is gone.
  void RemoveGuest(uint16_t domid);
  // Who was there before this life has been added by now; who has not is gone.
  void EndAdoption();

  uint16_t attached() const { return journal_.attached(); }
  // NotFound: there is no such guest.
  absl::Status Attach(uint16_t domid);
  // Nothing happens if no guest is attached.
  void Detach(DetachReason reason);

  // Text for the line, up to kMaxWrite bytes. "\n" becomes "\r\n". xl repeats what it does not know
  // to be taken, with the same `id`s, which grow; 0 is none.
  bool HasRoomToWrite() const { return journal_.line().room() >= 2 * kMaxWrite + kReserve; }
  void Write(uint32_t id, absl::string_view text);
  // The next ids are those of another life of xl's.
  void ForgetIds() { journal_.line().SetMark(0); }
  // Whether all that was written up to `position`, as WritePosition said it, has left the UART.
  uint32_t WritePosition() const { return journal_.line().head(); }
  bool HasLeft(uint32_t position);

  // What was typed for whom has the line; xl's if no guest is attached.
  ByteRing& input() { return journal_.input(); }

  // One round each, bounded. True: there may be more.
  bool Receive();
  bool Transmit();
  // Whether somebody may be waiting for the line to take text.
  bool crowded();
  // Gives the attached guest what was typed for it.
  void DeliverInput();

 private:
  static constexpr char kEscape = 0x1d;      // Ctrl-]
  static constexpr uint32_t kReserve = 256;  // of the line's room: for own messages

  void Notice(absl::string_view text);
  // What is to be sent next, or nullptr.
  ByteRing* Source();

  Journal& journal_;
  SerialPort& port_;
  std::function<void(DetachReason)> on_detached_;
  std::map<uint16_t, std::unique_ptr<GuestConsole>> guests_;
  bool leaving_ = false;  // the attached guest is gone, its output is not shown yet
};

}  // namespace pyrene::console
