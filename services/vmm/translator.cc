// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

// Walks `length` bytes from `va` page by page: use(host address, offset so far, bytes). Several
// pages go into one system call.
template <typename Use>
bool ForEachPiece(Vcpu& vcpu, uint64_t va, size_t length, TranslateAccess access, Use use) {
  size_t done = 0;
  while (done < length) {
    const uint64_t from = va + done;
    const uint64_t bytes_left = (from & (xen::kPageSize - 1)) + (length - done);
    uint64_t pages = (bytes_left + xen::kPageSize - 1) >> xen::kPageShift;
    if (pages > VcpuState::kMaxTranslations) pages = VcpuState::kMaxTranslations;
    if (!vcpu.domain->host().Translate(vcpu.index, from, access, static_cast<unsigned>(pages))) {
      return false;
    }
    for (uint64_t page = 0; page < pages; ++page) {
      const uint64_t par = vcpu.state->translation[page];
      if ((par & kParFault) != 0) return false;
      const uint64_t offset = (va + done) & (xen::kPageSize - 1);
      size_t piece = xen::kPageSize - offset;
      if (piece > length - done) piece = length - done;
      void* host = vcpu.domain->memory().At((par & kParAddress) | offset, piece);
      if (host == nullptr) return false;
      use(host, done, piece);
      done += piece;
    }
  }
  return true;
}

}  // namespace

bool CopyFromGuest(Vcpu& vcpu, uint64_t va, void* to, size_t length) {
  return ForEachPiece(vcpu, va, length, TranslateAccess::kRead,
                      [to](void* host, size_t done, size_t piece) {
                        GuestCopy(static_cast<char*>(to) + done, host, piece);
                      });
}

bool CopyToGuest(Vcpu& vcpu, uint64_t va, const void* from, size_t length) {
  return ForEachPiece(vcpu, va, length, TranslateAccess::kWrite,
                      [from](void* host, size_t done, size_t piece) {
                        GuestCopy(host, static_cast<const char*>(from) + done, piece);
                      });
}

bool TranslateToGpa(Vcpu& vcpu, uint64_t va, TranslateAccess access, uint64_t* gpa) {
  if (!vcpu.domain->host().Translate(vcpu.index, va, access, 1)) return false;
  const uint64_t par = vcpu.state->translation[0];
  if ((par & kParFault) != 0) return false;
  *gpa = (par & kParAddress) | (va & (xen::kPageSize - 1));
  return true;
}

}  // namespace pyrene::vmm
