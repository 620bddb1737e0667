// tcpeek: shows what becomes of TCP connection attempts. Parses the options, sets up output, then runs
// live capture or a replay.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/base/journal.h"
#include "engine/base/text.h"
#include "engine/config/options.h"
#include "engine/live_run.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/process/fd_limit.h"
#include "engine/process/net_namespace.h"
#include "engine/process/sandbox.h"
#include "engine/process/thread_advice.h"
#include "engine/reload_client.h"
#include "engine/replay_run.h"

namespace {

constexpr int kUsageError = 2;
constexpr int kFailure = 1;
constexpr std::chrono::seconds kShutdownFlushTimeout{2};

// Keeps descriptors that we open from taking the place of closed standard ones.
void fill_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one; reading fails, as it would have. Without /dev, writing
    // fails as well.
    if (::open("/dev/null", O_WRONLY) < 0) static_cast<void>(::open("/", O_PATH));
  }
}

// Nobody may be reading standard error: that must not keep the program from ending. The writer is the one
// made at startup: once system calls are filtered, a new one could not examine its descriptor.
int fail(int status, const std::string& message, tcpeek::engine::LineWriter& standard_error) {
  tcpeek::engine::Log(standard_error, LOG_ERR, false).error("{}", message);
  standard_error.flush_for(kShutdownFlushTimeout);
  return status;
}

int run(std::span<const char* const> arguments, tcpeek::engine::LineWriter& standard_error) {
  using namespace tcpeek::engine;
  const CommandLine command_line = parse_command_line(arguments);
  if (command_line.print_and_exit) {
    const bool written = std::fputs(command_line.print_and_exit->c_str(), stdout) >= 0;
    if (written && std::fflush(stdout) == 0) return 0;
    throw std::system_error(errno, std::generic_category(), "cannot write to standard output");
  }
  const Options& options = command_line.options;
  LineWriter standard_output(STDOUT_FILENO);
  Log log(standard_error, options.log_level, options.log_to_syslog);
  if (command_line.reload) {
    for (const std::string& warning : options.warnings) log.warning("{}", warning);
    standard_output.line(printable(hand_over(command_line)));
    standard_output.flush_for(kShutdownFlushTimeout);
    return 0;
  }
  if (!options.no_seccomp && !Sandbox::supported_by_build()) {
    log.info("system calls are not filtered: this build has sanitizers");
  }
  if (!options.read_files.empty()) {
    ReplayRun replay(options, standard_error, standard_output, log);
    return replay.run() ? 0 : kFailure;
  }
  if (options.netns) enter_net_namespace(*options.netns);
  LiveRun(options, standard_error, standard_output, log).run();
  return 0;
}

// Runs the program and says why if it fails.
int run_and_explain(std::span<const char* const> arguments) {
  tcpeek::engine::LineWriter standard_error(STDERR_FILENO);
  try {
    return run(arguments, standard_error);
  } catch (const tcpeek::engine::UsageError& e) {
    return fail(kUsageError, e.what(), standard_error);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::system_error& e) {
    return fail(kFailure,
                tcpeek::engine::printable(e.what()) + tcpeek::engine::descriptor_advice(e.code()) +
                    tcpeek::engine::thread_start_advice(e.code()),
                standard_error);
  } catch (const std::exception& e) {
    return fail(kFailure, tcpeek::engine::printable(e.what()), standard_error);
  }
}

// Allocates nothing, as there may be no memory left.
int out_of_memory(bool to_journal) noexcept {
  // "<3>" marks an error for the journal; elsewhere the line is printed without it.
  static constexpr std::string_view kMarked =
      "<3>tcpeek: out of memory: try fewer --max-sessions, smaller rings (-B) or fewer --threads\n";
  const std::string_view message = to_journal ? kMarked : kMarked.substr(3);
  pollfd polled{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&polled, 1, std::chrono::milliseconds(kShutdownFlushTimeout).count()) == 1) {
    static_cast<void>(!::write(STDERR_FILENO, message.data(), message.size()));
  }
  return kFailure;
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  // The reader of our output may exit, and a file may reach its limit (ulimit -f): writes then fail, and
  // the lines lost are counted.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  const bool to_journal = tcpeek::engine::leads_to_journal(STDERR_FILENO);
  try {
    return run_and_explain(
        std::span<const char* const>(argv + 1, static_cast<std::size_t>(argc - 1)));
  } catch (const std::bad_alloc&) {
    return out_of_memory(to_journal);
  }
}
