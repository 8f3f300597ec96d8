// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_event_channel_op (ABI 3.2): x0 = operation, x1 = struct. Decoding only; see
// event_channels.h.
#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

// Reads the structure, lets `act` change it, and writes it back if that succeeded. A result that
// cannot be written is -EFAULT; a port allocated for it stays allocated until the guest closes it
// or resets, which only uses up its own ports.
template <typename T, typename Act>
Outcome Exchange(Vcpu& vcpu, Act act) {
  T argument{};
  if (!ReadArgument(vcpu, &argument)) return -xen::kEfault;
  const int64_t result = act(argument);
  if (result == 0 && !WriteArgument(vcpu, argument)) return -xen::kEfault;
  return result;
}

template <typename T, typename Act>
Outcome Consume(Vcpu& vcpu, Act act) {
  T argument{};
  if (!ReadArgument(vcpu, &argument)) return -xen::kEfault;
  return act(argument);
}

Outcome Other(Vcpu& vcpu) {
  Domain& domain = *vcpu.domain;
  EventChannels& events = domain.events();
  switch (vcpu.state->x[0]) {
    case xen::kAllocUnbound:
      return Exchange<xen::EvtchnAllocUnbound>(vcpu, [&](auto& a) -> int64_t {
        return domain.IsSelf(a.dom) ? events.AllocUnbound(a.remote_dom, &a.port) : NotSelf(a.dom);
      });
    case xen::kBindInterdomain:
      return Exchange<xen::EvtchnBindInterdomain>(vcpu, [&](auto& a) -> int64_t {
        // Ports of other guests are held by their VMMs, out of reach.
        return domain.IsSelf(a.remote_dom) ? events.BindLoopback(vcpu, a.remote_port, &a.local_port)
                                           : NotSelf(a.remote_dom);
      });
    case xen::kBindVirq:
      return Exchange<xen::EvtchnBindVirq>(
          vcpu, [&](auto& a) -> int64_t { return events.BindVirq(a.virq, a.vcpu, &a.port); });
    case xen::kBindIpi:
      return Exchange<xen::EvtchnBindIpi>(
          vcpu, [&](auto& a) -> int64_t { return events.BindIpi(a.vcpu, &a.port); });
    case xen::kBindVcpu:
      return Consume<xen::EvtchnBindVcpu>(
          vcpu, [&](auto& a) -> int64_t { return events.BindVcpu(a.port, a.vcpu); });
    case xen::kClose:
      return Consume<xen::EvtchnPort>(vcpu,
                                      [&](auto& a) -> int64_t { return events.Close(a.port); });
    case xen::kStatus:
      return Exchange<xen::EvtchnStatus>(vcpu, [&](auto& a) -> int64_t {
        return domain.IsSelf(a.dom) ? events.Status(&a) : NotSelf(a.dom);
      });
    case xen::kReset:
      return Consume<xen::EvtchnReset>(vcpu, [&](auto& a) -> int64_t {
        if (!domain.IsSelf(a.dom)) return NotSelf(a.dom);
        events.CloseAll();
        return 0;
      });
    case xen::kSend:
      return Consume<xen::EvtchnPort>(
          vcpu, [&](auto& a) -> int64_t { return events.Send(vcpu, a.port); });
    case xen::kUnmask:
      return Consume<xen::EvtchnPort>(
          vcpu, [&](auto& a) -> int64_t { return events.Unmask(vcpu, a.port); });
    default:
      // init_control and what belongs to it: no FIFO interface. Linux then uses the 2-level one.
      return -xen::kEnosys;
  }
}

[[gnu::noinline]] Action Rarely(Vcpu& vcpu) { return Answer(vcpu, Other(vcpu).value); }

[[gnu::noinline]] Action AnswerService(Vcpu& vcpu, uint32_t port) {
  vcpu.domain->events().SendToService(vcpu, port);
  return Answer(vcpu, 0);
}

[[gnu::noinline]] Action AnswerPollers(Vcpu& vcpu) {
  vcpu.domain->events().WakePollers();
  return Answer(vcpu, 0);
}

}  // namespace

// Events of a vCPU to itself, and unmasking, call nothing on the way.
Action EventChannelOperation(Vcpu& vcpu) {
  const uint64_t operation = vcpu.state->x[0];
  if (operation != xen::kSend && operation != xen::kUnmask) return Rarely(vcpu);
  xen::EvtchnPort argument;
  if (!PeekArgument(vcpu, &argument)) [[unlikely]]
    return Rarely(vcpu);
  EventChannels& events = vcpu.domain->events();
  const auto quick = operation == xen::kSend ? events.TrySend(vcpu, argument.port)
                                             : events.TryUnmask(vcpu, argument.port);
  if (quick == EventChannels::Quick::kDone) return Answer(vcpu, 0);
  if (quick == EventChannels::Quick::kService) return AnswerService(vcpu, argument.port);
  return quick == EventChannels::Quick::kNo ? Rarely(vcpu) : AnswerPollers(vcpu);
}

}  // namespace pyrene::vmm
