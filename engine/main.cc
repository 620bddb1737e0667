// tcpeek: what becomes of TCP connection attempts. The program from above: options, log, engine.

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
#include "engine/process/sandbox.h"
#include "engine/replay_run.h"

namespace {

constexpr int kWrongUse = 2;
constexpr int kFailure = 1;
constexpr std::chrono::seconds kShutdownFlushTimeout{2};

// A descriptor that we open must not become standard input or error because that was closed.
void fill_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one; reading fails, as it would have. Without /dev, writing
    // fails as well.
    if (::open("/dev/null", O_WRONLY) < 0) static_cast<void>(::open("/", O_PATH));
  }
}

// Whoever holds standard error may not read it: that must not keep the program from ending. The writer is
// that of the start: what it is may not be asked any more once system calls are filtered.
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
  if (!options.no_seccomp && !Sandbox::supported_by_build()) {
    log.info("system calls are not filtered: this build has sanitizers");
  }
  if (!options.read_files.empty()) {
    ReplayRun replay(options, standard_error, standard_output, log);
    return replay.run() ? 0 : kFailure;
  }
  LiveRun(options, standard_error, standard_output, log).run();
  return 0;
}

// Says why the program ends, if it is not as it was asked to.
int run_and_explain(std::span<const char* const> arguments) {
  tcpeek::engine::LineWriter standard_error(STDERR_FILENO);
  try {
    return run(arguments, standard_error);
  } catch (const tcpeek::engine::UsageError& e) {
    return fail(kWrongUse, e.what(), standard_error);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::system_error& e) {
    return fail(kFailure,
                tcpeek::engine::printable(e.what()) + tcpeek::engine::descriptor_advice(e.code()),
                standard_error);
  } catch (const std::exception& e) {
    return fail(kFailure, tcpeek::engine::printable(e.what()), standard_error);
  }
}

// There may be no memory for anything else: nothing here takes any.
int out_of_memory(bool to_journal) noexcept {
  // The journal gets to see that it is an error, others a line without that mark.
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
  // Whoever reads our output may leave, and a file may reach its limit (ulimit -f); writes then fail, and
  // are counted.
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
