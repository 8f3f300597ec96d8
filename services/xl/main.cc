// SPDX-License-Identifier: Apache-2.0
//
// xl: the shell on the serial line, and the toolstack. It holds nothing but four channels, so its
// death harms no guest; its next life prints a fresh prompt.
#include <memory>
#include <string>
#include <utility>

#include "proto/connect.h"
#include "runtime/service.h"
#include "services/init/client/supervision_client.h"
#include "services/xl/shell/disk_use.h"
#include "services/xl/shell/shell.h"

namespace pyrene::xl {
namespace {

template <typename Request>
absl::StatusOr<proto::NamedChannel> Open(const std::string& name) {
  return proto::OpenChannel(name, proto::Side::kClient, proto::SchemaId<Request>());
}

// Ends with an error before there is a prompt, or when init stops it.
absl::Status Serve(runtime::EventLoop& loop, init::SupervisionClient& supervision, Waiter& waiter) {
  absl::StatusOr<proto::NamedChannel> console = Open<proto::ConsoleRequest>("console");
  if (!console.ok()) return console.status();
  absl::StatusOr<proto::NamedChannel> init = Open<proto::ToolstackRequest>("toolstack");
  if (!init.ok()) return init.status();
  absl::StatusOr<proto::NamedChannel> store = Open<proto::XenstoreRequest>("xenstore");
  if (!store.ok()) return store.status();
  absl::StatusOr<proto::NamedChannel> card = Open<proto::FsRequest>("fs");
  if (!card.ok()) return card.status();

  Terminal terminal(waiter, std::move(console->channel), console->bit);
  Toolstack toolstack(waiter, std::move(init->channel), init->bit);
  XenstoreClient xenstore(waiter, std::move(store->channel), store->bit);
  FsClient fs(waiter, std::move(card->channel), card->bit);
  Files files(toolstack, fs);
  absl::Status status =
      loop.AddSourceAt(supervision.bit(), [&supervision] { supervision.OnWake(); });
  if (status.ok()) status = terminal.Start();
  if (status.ok()) status = toolstack.Start();
  if (status.ok()) status = xenstore.Start();
  if (status.ok()) status = fs.Start();
  if (!status.ok()) return status;
  supervision.OnWake();
  supervision.Ready();

  Session session{waiter, terminal, toolstack, xenstore, files};
  fs.SetReplayCheck([&session] { return CheckReplay(session); });
  Shell(session).Run(runtime::Service().generation);
  return absl::OkStatus();
}

int Main() {
  runtime::EventLoop loop(runtime::Notification::Adopt(runtime::FindCapability("events")));
  Waiter waiter(loop);
  init::SupervisionClient::Handlers handlers;
  handlers.stop = [&waiter] { waiter.Stop(); };
  absl::StatusOr<std::unique_ptr<init::SupervisionClient>> supervision =
      init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return init::ExitStatus(supervision.status(), nullptr);
  return init::ExitStatus(Serve(loop, **supervision, waiter), supervision->get());
}

}  // namespace
}  // namespace pyrene::xl

int main() { return pyrene::xl::Main(); }
