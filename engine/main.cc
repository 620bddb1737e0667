// tcpeek: what becomes of TCP connection attempts. The program from above: options, log, engine.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>
#include <span>
#include <string>

#include "engine/engine.h"
#include "engine/line_writer.h"
#include "engine/log.h"
#include "engine/options.h"

namespace {

constexpr int kWrongUse = 2;
constexpr int kFailure = 1;

int fail(int status, const std::string& message) {
  std::fprintf(stderr, "tcpeek: %s\n", message.c_str());
  return status;
}

int run(std::span<const char* const> arguments) {
  using namespace tcpeek::engine;
  const CommandLine command_line = parse_command_line(arguments);
  if (command_line.print_and_exit) {
    std::fputs(command_line.print_and_exit->c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : kFailure;
  }
  const Options& options = command_line.options;
  LineWriter standard_error(STDERR_FILENO);
  LineWriter standard_output(STDOUT_FILENO);
  Log log(standard_error, options.log_level, options.log_to_syslog);
  Engine engine(options, standard_error, standard_output, log);
  engine.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Whoever reads our output may leave; writes then fail, and are counted.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    return run(std::span<const char* const>(argv + 1, static_cast<std::size_t>(argc - 1)));
  } catch (const tcpeek::engine::UsageError& e) {
    return fail(kWrongUse, e.what());
  } catch (const std::bad_alloc&) {
    return fail(kFailure, "out of memory; try smaller --max-sessions or -B");
  } catch (const std::exception& e) {
    return fail(kFailure, e.what());
  }
}
