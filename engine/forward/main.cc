// tcpeek-forward: forwards the events of a running tcpeek to NATS JetStream.

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <span>
#include <system_error>

#include "engine/base/text.h"
#include "engine/base/usage_error.h"
#include "engine/forward/forward_options.h"
#include "engine/forward/forwarder.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/process/termination_signals.h"

namespace {

using namespace tcpeek;

constexpr int kUsageError = 2;
constexpr int kFailure = 1;
constexpr const char* kProgram = "tcpeek-forward";
constexpr std::chrono::seconds kFlushTimeout{2};

int run(std::span<const char* const> arguments, engine::LineWriter& standard_error) {
  const forward::ForwardCommandLine command_line = forward::parse_forward_options(arguments);
  if (command_line.print_and_exit) {
    const bool written = std::fputs(command_line.print_and_exit->c_str(), stdout) >= 0;
    if (written && std::fflush(stdout) == 0) return 0;
    throw std::system_error(errno, std::generic_category(), "cannot write to standard output");
  }
  const engine::TerminationSignals signals;
  engine::LineWriter standard_output(STDOUT_FILENO);
  engine::Log log(standard_error, command_line.options.log_level, false, kProgram);
  forward::Forwarder(command_line.options, signals, standard_output, log).run();
  standard_error.flush_for(kFlushTimeout);
  return 0;
}

int fail(int status, const char* message, engine::LineWriter& standard_error) {
  engine::Log(standard_error, LOG_ERR, false, kProgram).error("{}", engine::printable(message));
  standard_error.flush_for(kFlushTimeout);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  engine::LineWriter standard_error(STDERR_FILENO);
  try {
    return run(std::span<const char* const>(argv + 1, static_cast<std::size_t>(argc - 1)),
               standard_error);
  } catch (const engine::UsageError& e) {
    return fail(kUsageError, e.what(), standard_error);
  } catch (const std::exception& e) {
    return fail(kFailure, e.what(), standard_error);
  }
}
