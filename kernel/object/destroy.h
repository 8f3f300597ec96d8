// SPDX-License-Identifier: Apache-2.0
//
// The end of an object, whatever its type. Under the structure lock.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene {

// First: nobody waits for it, nothing refers to it but what was found before; other CPUs may still
// be using that.
void DetachObject(ObjectType type, void* object);
// Then, after Quiesce: frees it.
void DestroyObject(ObjectType type, void* object);

// Object::id of whatever it is.
uint64_t IdOfObject(ObjectType type, void* object);

}  // namespace pyrene
