// SPDX-License-Identifier: Apache-2.0
//
// Irq: one shared peripheral interrupt line, bound to bits of a notification. When it fires it
// stays active, and silent, until the holder acknowledges it.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/object/notification.h"
#include "kernel/object/object.h"

namespace pyrene {

class Irq final : public Object {
 public:
  // Structure lock. kNotSupported: no such SPI; kOccupied: somebody has it.
  [[nodiscard]] static Irq* Create(Status& status, Account& payer, uint64_t intid);
  void Detach();
  ~Irq();

  // Structure lock. The line is delivered to the CPU of the caller, and enabled.
  void Bind(Notification& notification, uint64_t bits);
  void Acknowledge();

  // The interrupt with this INTID fired on this CPU. False: nobody has the line.
  static bool Fired(uint32_t iar);

 private:
  Irq(Account& payer, uint32_t intid) : Object(payer), intid_(intid) {}
  uint32_t intid_;
  bool active_ = false;
  Binding binding_;
};

}  // namespace pyrene
