// SPDX-License-Identifier: Apache-2.0
//
// The Xen guest interface as numbers and layouts: what an arm64 guest and its hypervisor exchange.
// Sizes in bytes, little-endian, LP64. Everything here is fixed by existing guests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::vmm::xen {

inline constexpr uint32_t kPageShift = 12;
inline constexpr uint64_t kPageSize = uint64_t{1} << kPageShift;

// Version that guests are told: 4.17.
inline constexpr uint32_t kVersionMajor = 4;
inline constexpr uint32_t kVersionMinor = 17;

// Linux's errno values; hypercalls answer the negative.
inline constexpr int64_t kEperm = 1;
inline constexpr int64_t kEnoent = 2;
inline constexpr int64_t kEsrch = 3;
inline constexpr int64_t kE2big = 7;
inline constexpr int64_t kEagain = 11;
inline constexpr int64_t kEnomem = 12;
inline constexpr int64_t kEfault = 14;
inline constexpr int64_t kEnxio = 6;
inline constexpr int64_t kEbusy = 16;
inline constexpr int64_t kEexist = 17;
inline constexpr int64_t kEinval = 22;
inline constexpr int64_t kEnospc = 28;
inline constexpr int64_t kEnosys = 38;

// Domain ids.
inline constexpr uint16_t kFirstReservedDomid = 0x7ff0;
inline constexpr uint16_t kDomidSelf = 0x7ff0;

// The guest-physical map, the one that xl builds.
inline constexpr uint64_t kGicdBase = 0x03001000;
inline constexpr uint64_t kGicdSize = 0x1000;
inline constexpr uint64_t kGiccBase = 0x03002000;
inline constexpr uint64_t kGiccSize = 0x2000;
inline constexpr uint64_t kGrantWindowBase = 0x38000000;
inline constexpr uint64_t kGrantWindowSize = 0x01000000;
inline constexpr uint64_t kMagicBase = 0x39000000;
inline constexpr uint64_t kConsoleRing = kMagicBase;
inline constexpr uint64_t kXenstoreRing = kMagicBase + kPageSize;
inline constexpr uint64_t kMagicPages = 4;
inline constexpr uint64_t kRam0Base = 0x40000000;
inline constexpr uint64_t kRam0MaxSize = 0xc0000000;
inline constexpr uint64_t kRam1Base = 0x200000000;
// Stage 2 translates 39 bits (VTCR_EL2 as the kernel sets it).
inline constexpr uint64_t kAddressLimit = uint64_t{1} << 39;

inline constexpr uint32_t kMaxVcpus = 8;    // the most a GICv2 distributor names
inline constexpr uint32_t kUpcallPpi = 31;  // event-channel upcall
inline constexpr uint32_t kTimerPpi = 27;   // virtual timer

// ---- shared_info and event channels ----

struct VcpuInfo {
  uint8_t upcall_pending;
  uint8_t pad[7];
  uint64_t pending_sel;
  uint64_t time[4];  // unused on Arm
};
static_assert(sizeof(VcpuInfo) == 48);

inline constexpr uint32_t kPorts = 4096;  // the 2-level interface: 64 words of 64 bits

struct SharedInfo {
  VcpuInfo vcpu_info[1];
  uint64_t evtchn_pending[64];
  uint64_t evtchn_mask[64];
  uint32_t wc_version;  // odd while the wallclock is being written
  uint32_t wc_sec;
  uint32_t wc_nsec;
  uint32_t wc_sec_hi;
};
static_assert(offsetof(SharedInfo, evtchn_pending) == 48);
static_assert(offsetof(SharedInfo, evtchn_mask) == 560);
static_assert(offsetof(SharedInfo, wc_version) == 1072);
static_assert(sizeof(SharedInfo) == 1088);

enum EventChannelOp : uint64_t {
  kBindInterdomain = 0,
  kBindVirq = 1,
  kBindPirq = 2,
  kClose = 3,
  kSend = 4,
  kStatus = 5,
  kAllocUnbound = 6,
  kBindIpi = 7,
  kBindVcpu = 8,
  kUnmask = 9,
  kReset = 10,
  kInitControl = 11,
};

struct EvtchnAllocUnbound {
  uint16_t dom;
  uint16_t remote_dom;
  uint32_t port;
};
struct EvtchnBindInterdomain {
  uint16_t remote_dom;
  uint16_t pad;
  uint32_t remote_port;
  uint32_t local_port;
};
struct EvtchnBindVirq {
  uint32_t virq;
  uint32_t vcpu;
  uint32_t port;
};
struct EvtchnBindIpi {
  uint32_t vcpu;
  uint32_t port;
};
struct EvtchnBindVcpu {
  uint32_t port;
  uint32_t vcpu;
};
struct EvtchnPort {  // send, close, unmask
  uint32_t port;
};
struct EvtchnReset {
  uint16_t dom;
};
struct EvtchnStatus {
  uint16_t dom;
  uint16_t pad0;
  uint32_t port;
  uint32_t status;
  uint32_t vcpu;
  uint32_t u0;  // unbound: domid; interdomain: domid; virq: number
  uint32_t u1;  // interdomain: port
};
static_assert(sizeof(EvtchnStatus) == 24);

enum PortState : uint32_t {  // as EVTCHNOP_status numbers them
  kPortClosed = 0,
  kPortUnbound = 1,
  kPortInterdomain = 2,
  kPortVirq = 4,
  kPortIpi = 5,
};

inline constexpr uint32_t kVirqs = 24;
inline constexpr uint32_t kVirqTimer = 0;
inline constexpr uint32_t kVirqDebug = 1;
inline constexpr uint32_t kVirqXenoprof = 7;

// ---- memory ----

enum MemoryOp : uint64_t {
  kDecreaseReservation = 1,
  kCurrentReservation = 3,
  kMaximumReservation = 4,
  kPopulatePhysmap = 6,
  kAddToPhysmap = 7,
  kMaximumGpfn = 14,
  kRemoveFromPhysmap = 15,
  kAddToPhysmapBatch = 23,
};
// The upper bits of the operation say at which extent to go on.
inline constexpr uint32_t kMemoryOpBits = 6;

enum MapSpace : uint32_t {
  kSpaceSharedInfo = 0,
  kSpaceGrantTable = 1,
  kSpaceForeign = 4,
  kSpaceDeviceMmio = 5,
};

struct AddToPhysmap {
  uint16_t domid;
  uint16_t size;
  uint32_t space;
  uint64_t idx;
  uint64_t gpfn;
};
struct AddToPhysmapBatch {
  uint16_t domid;
  uint16_t space;
  uint16_t size;
  uint16_t foreign_domid;
  uint64_t idxs;
  uint64_t gpfns;
  uint64_t errs;
};
struct RemoveFromPhysmap {
  uint16_t domid;
  uint16_t pad[3];
  uint64_t gpfn;
};
struct MemoryReservation {
  uint64_t extent_start;
  uint64_t nr_extents;
  uint32_t extent_order;
  uint32_t mem_flags;
  uint16_t domid;
  uint16_t pad[3];
};
static_assert(sizeof(AddToPhysmap) == 24 && sizeof(AddToPhysmapBatch) == 32);
static_assert(sizeof(RemoveFromPhysmap) == 16 && sizeof(MemoryReservation) == 32);

// ---- grant tables, version 1 ----

struct GrantEntry {
  uint16_t flags;
  uint16_t domid;
  uint32_t frame;
};
static_assert(sizeof(GrantEntry) == 8);
inline constexpr uint32_t kGrantsPerFrame = 512;
inline constexpr uint32_t kGrantRefConsole = 0;
inline constexpr uint32_t kGrantRefXenstore = 1;

inline constexpr uint16_t kGrantTypeMask = 3;
inline constexpr uint16_t kGrantPermitAccess = 1;
inline constexpr uint16_t kGrantReadonly = 1 << 2;
inline constexpr uint16_t kGrantReading = 1 << 3;
inline constexpr uint16_t kGrantWriting = 1 << 4;
inline constexpr uint16_t kGrantSubPage = 1 << 8;

enum GrantOp : uint64_t {
  kGrantMap = 0,
  kGrantUnmap = 1,
  kGrantCopy = 5,
  kGrantQuerySize = 6,
  kGrantSetVersion = 8,
  kGrantGetVersion = 10,
};

enum GrantStatus : int16_t {
  kGrantOk = 0,
  kGrantGeneralError = -1,
  kGrantBadDomain = -2,
  kGrantBadRef = -3,
  kGrantBadHandle = -4,
  kGrantBadVirtAddr = -5,
  kGrantBadDevAddr = -6,
  kGrantPermissionDenied = -8,
  kGrantBadPage = -9,
  kGrantBadCopyArg = -10,
  kGrantAgain = -12,
  kGrantNoSpace = -13,
};

inline constexpr uint32_t kGrantMapDevice = 1;
inline constexpr uint32_t kGrantMapHost = 2;
inline constexpr uint32_t kGrantMapReadonly = 4;

struct GrantMap {
  uint64_t host_addr;
  uint32_t flags;
  uint32_t ref;
  uint16_t dom;
  int16_t status;
  uint32_t handle;
  uint64_t dev_bus_addr;
};
struct GrantUnmap {
  uint64_t host_addr;
  uint64_t dev_bus_addr;
  uint32_t handle;
  int16_t status;
  uint16_t pad;
};
struct GrantCopyEnd {
  uint64_t frame;  // a reference (low 32 bits) or a guest frame number
  uint16_t domid;
  uint16_t offset;
  uint32_t pad;
};
struct GrantCopy {
  GrantCopyEnd source;
  GrantCopyEnd dest;
  uint16_t length;
  uint16_t flags;
  int16_t status;
  uint16_t pad;
};
inline constexpr uint16_t kCopySourceGref = 1;
inline constexpr uint16_t kCopyDestGref = 2;
struct GrantQuerySize {
  uint16_t dom;
  uint16_t pad0;
  uint32_t nr_frames;
  uint32_t max_nr_frames;
  int16_t status;
  uint16_t pad1;
};
struct GrantVersion {  // get_version
  uint16_t dom;
  uint16_t pad;
  uint32_t version;
};
static_assert(sizeof(GrantMap) == 32 && sizeof(GrantUnmap) == 24 && sizeof(GrantCopy) == 40);
static_assert(sizeof(GrantQuerySize) == 16);

// ---- the rest ----

enum Hypercall : uint64_t {
  kPlatformOp = 7,
  kMemoryOp = 12,
  kXenVersion = 17,
  kConsoleIo = 18,
  kGrantTableOp = 20,
  kVmAssist = 21,
  kVcpuOp = 24,
  kSchedOp = 29,
  kEventChannelOp = 32,
  kHvmOp = 34,
  kSysctl = 35,
  kDomctl = 36,
  kDmOp = 41,
  kHypercalls = 43,  // table size
};

inline constexpr uint32_t kHypercallImmediate = 0xea1;

struct HvmParam {
  uint16_t domid;
  uint16_t pad;
  uint32_t index;
  uint64_t value;
};
static_assert(sizeof(HvmParam) == 16);

enum HvmParamIndex : uint32_t {
  kParamCallbackIrq = 0,
  kParamStorePfn = 1,
  kParamStoreEvtchn = 2,
  kParamConsolePfn = 17,
  kParamConsoleEvtchn = 18,
  kParamMonitorRing = 28,
};

enum SchedOp : uint64_t {
  kSchedYield = 0,
  kSchedBlock = 1,
  kSchedShutdown = 2,
  kSchedPoll = 3,
  kSchedWatchdog = 6,
};

struct SchedPoll {
  uint64_t ports;
  uint32_t nr_ports;
  uint32_t pad;
  uint64_t timeout;
};
struct SchedWatchdog {
  uint32_t id;
  uint32_t timeout;  // s
};

enum VcpuOp : uint64_t {
  kVcpuIsUp = 3,
  kRegisterRunstateArea = 5,
  kRegisterVcpuInfo = 10,
};

struct RegisterVcpuInfo {
  uint64_t gfn;
  uint32_t offset;
  uint32_t reserved;
};

enum Runstate : uint32_t {
  kRunstateRunning = 0,
  kRunstateRunnable = 1,
  kRunstateBlocked = 2,
  kRunstateOffline = 3,
};
struct RunstateInfo {
  uint32_t state;
  uint32_t pad;
  uint64_t entry_time;  // ns; bit 63: being updated
  uint64_t time[4];     // ns, by Runstate
};
static_assert(sizeof(RunstateInfo) == 48);
inline constexpr uint64_t kRunstateUpdating = uint64_t{1} << 63;

}  // namespace pyrene::vmm::xen
