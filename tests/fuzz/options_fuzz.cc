// A command line, its arguments ended by zero bytes as the kernel keeps them: either options within
// their bounds come out, or a UsageError whose message can be printed as it is.

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "engine/config/options.h"
#include "tests/fuzz/lines.h"

namespace tcpeek::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostArguments = 64;

void expect_bounds_of_numbers(const Options& o) {
  EXPECT_LE(static_cast<unsigned>(o.checksum), 2U);
  EXPECT_TRUE(o.timeout >= 1s && o.timeout <= 3600s);
  EXPECT_TRUE(o.copy_window >= 0s && o.copy_window <= 1s);
  EXPECT_TRUE(o.ring_mib.value_or(1) >= 1 && o.ring_mib.value_or(1) <= 4095);
  EXPECT_TRUE(o.threads.value_or(1) >= 1 && o.threads.value_or(1) <= 256);
  EXPECT_TRUE(o.max_sessions.value_or(1) >= 1 && o.max_sessions.value_or(1) <= 100'000'000);
  EXPECT_FALSE(o.no_socket && o.socket_path != Options().socket_path);
  if (o.decap) {
    const auto& vxlan = o.decap->vxlan_ports;
    EXPECT_FALSE(o.decap->geneve_port != 0 &&
                 (o.decap->geneve_port == vxlan[0] || o.decap->geneve_port == vxlan[1]));
  }
  EXPECT_TRUE(o.log_level >= 0 && o.log_level <= 7);
  EXPECT_LE(o.cpus.size(), 256U);
  EXPECT_TRUE(std::is_sorted(o.cpus.begin(), o.cpus.end()));
  EXPECT_TRUE(std::adjacent_find(o.cpus.begin(), o.cpus.end()) == o.cpus.end());
  EXPECT_TRUE(o.cpus.empty() || o.cpus.back() <= 1023);
}

void expect_bounds_of_texts(const Options& o) {
  EXPECT_FALSE(o.user && o.user->empty());
  EXPECT_TRUE(!o.socket_path.empty() && o.socket_path.size() < sizeof(sockaddr_un::sun_path));
  EXPECT_LE(o.interfaces.size(), 64U);
  for (const std::string& name : o.interfaces) {
    EXPECT_TRUE(!name.empty() && name.size() < IFNAMSIZ);
    EXPECT_EQ(name.find_first_of("/: \n"), std::string::npos);
    EXPECT_TRUE(name != "any" || o.interfaces.size() == 1);
    EXPECT_EQ(std::count(o.interfaces.begin(), o.interfaces.end(), name), 1);
  }
  EXPECT_LE(o.read_files.size(), 1024U);
  EXPECT_EQ(std::count(o.read_files.begin(), o.read_files.end(), ""), 0);
  EXPECT_LE(std::count(o.read_files.begin(), o.read_files.end(), "-"), 1);
  EXPECT_TRUE(o.read_files.empty() || (o.interfaces.empty() && !o.ring_mib && !o.promiscuous));
}

void expect_bounds_of_lists(const Options& o) {
  EXPECT_LE(o.local.size(), 1024U);
  for (const Prefix& prefix : o.local) EXPECT_TRUE(prefix.contains(prefix.address));
  EXPECT_TRUE(o.filters.size() >= 2 && o.filters.size() <= kMaxFilters);
  EXPECT_TRUE(o.filters[0].name == "RX" && o.filters[1].name == "TX");
  for (const std::string& warning : o.warnings) EXPECT_EQ(printable(warning), warning);
}

// One line; of a filter expression or a configuration file two more, with the caret.
void expect_readable(std::string_view message) {
  const std::vector<std::string> lines = fuzz::split(message, '\n');
  EXPECT_TRUE(lines.size() == 1 || lines.size() == 3) << message;
  EXPECT_TRUE(lines.size() == 3 || !message.starts_with("filter expression: ")) << message;
  EXPECT_FALSE(lines[0].empty());
  for (const std::string& line : lines) EXPECT_EQ(printable(line), line);
}

void run(std::string_view text) {
  const std::vector<std::string> words = fuzz::split(text, '\0');
  std::vector<const char*> arguments;
  for (const std::string& word : words) {
    if (arguments.size() < kMostArguments) arguments.push_back(word.c_str());
  }
  try {
    const CommandLine line = parse_command_line(arguments, [](const std::string& path) {
      return "bpf = '" + path + "'";  // no file is opened
    });
    if (line.print_and_exit) {
      EXPECT_TRUE(line.print_and_exit->ends_with('\n'));
      return;
    }
    expect_bounds_of_numbers(line.options);
    expect_bounds_of_texts(line.options);
    expect_bounds_of_lists(line.options);
  } catch (const UsageError& error) {
    expect_readable(error.what());
  }
}

}  // namespace
}  // namespace tcpeek::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tcpeek::engine::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
