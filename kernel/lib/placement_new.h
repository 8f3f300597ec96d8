// SPDX-License-Identifier: Apache-2.0
//
// <new> of the freestanding library declares placement new; named here once so that files say why
// they include it.
#pragma once

#include <new>
