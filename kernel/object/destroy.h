// SPDX-License-Identifier: Apache-2.0
//
// The end of an object, whatever its type. Under the structure lock, after Quiesce.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene {

void DestroyObject(ObjectType type, void* object);

// Object::id of whatever it is.
uint64_t IdOfObject(ObjectType type, void* object);

}  // namespace pyrene
