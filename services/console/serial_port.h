// SPDX-License-Identifier: Apache-2.0
//
// A serial line as the multiplexer needs it. No call waits.
#pragma once

namespace pyrene::console {

class SerialPort {
 public:
  SerialPort() = default;
  SerialPort(const SerialPort&) = delete;
  SerialPort& operator=(const SerialPort&) = delete;
  virtual ~SerialPort() = default;

  // A byte from the line, or -1.
  virtual int Get() = 0;
  // False: there is no room now.
  virtual bool Put(char c) = 0;
  // Whether all that was put has left.
  virtual bool Idle() = 0;
  // Whether an interrupt shall say that there is room again.
  virtual void WantTransmitInterrupt(bool wanted) = 0;
};

}  // namespace pyrene::console
