// SPDX-License-Identifier: Apache-2.0
//
// Whether this process runs on Pyrene's kernel, or on Linux (a service started by hand under
// qemu-aarch64). Set before _start.
#pragma once

namespace pyrene::runtime {

extern bool started_by_pyrene;

}  // namespace pyrene::runtime
