// Numbers from small files in /proc and /sys (engine/config/memory_limit.h). Names and meanings:
// proc_meminfo(5), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
#include "engine/config/memory_limit.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::uint64_t kUnlimited = MachineMemory::kUnlimited;
constexpr std::uint64_t kKib = 1024;

// The files of a control group, by the version of the interface.
struct GroupFiles {
  const char* mount;
  const char* limit;
  const char* throttled_at;  // beyond that the kernel throttles
  const char* usage;
  const char* unused_cache;  // a line of memory.stat
};

constexpr GroupFiles kVersion2{"/sys/fs/cgroup", "memory.max", "memory.high", "memory.current",
                               "inactive_file"};
constexpr GroupFiles kVersion1{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", nullptr,
                               "memory.usage_in_bytes", "total_inactive_file"};

// The number behind `name` in lines such as "MemTotal:  16318412 kB" or "inactive_file 4096".
std::optional<std::uint64_t> named_number(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string word;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::uint64_t number = 0;
    if (words >> word && word == name && words >> number) return number;
  }
  return std::nullopt;
}

// The content of a file that holds one number; none for "max".
std::optional<std::uint64_t> only_number(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return parse_number(word, 0, kUnlimited);
}

void limit_by_machine(MachineMemory& memory, const std::string& root) {
  const std::string path = root + "/proc/meminfo";
  const auto total = named_number(path, "MemTotal:");
  const auto available = named_number(path, "MemAvailable:");
  if (total) {
    memory.total = *total * kKib;
  } else {
    struct sysinfo info {};
    if (::sysinfo(&info) == 0) memory.total = std::uint64_t{info.totalram} * info.mem_unit;
  }
  memory.available = available ? *available * kKib : memory.total;
}

void limit_by_group(MachineMemory& memory, const std::string& folder, const GroupFiles& files) {
  std::uint64_t limit = only_number(folder + files.limit).value_or(kUnlimited);
  if (files.throttled_at != nullptr) {
    limit = std::min(limit, only_number(folder + files.throttled_at).value_or(kUnlimited));
  }
  if (limit >= memory.total) return;  // version 1 writes a huge number for no limit
  memory.total = limit;
  const std::uint64_t usage = only_number(folder + files.usage).value_or(0);
  const std::uint64_t cache = named_number(folder + "memory.stat", files.unused_cache).value_or(0);
  const std::uint64_t used = usage - std::min(usage, cache);
  const std::uint64_t left = limit - std::min(limit, used);
  if (left >= memory.available) return;
  memory.available = left;
  memory.grouped = true;
}

// From the group `path` up to the root of the hierarchy. A container does not see the groups outside.
void limit_by_groups(MachineMemory& memory, const std::string& root, const GroupFiles& files,
                     std::string path) {
  if (path.find("/..") != std::string::npos) path.clear();  // above the root of our namespace
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    limit_by_group(memory, root + files.mount + path + '/', files);
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

bool lists(std::string_view controllers, std::string_view wanted) {
  while (true) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    controllers.remove_prefix(comma + 1);
  }
}

}  // namespace

MachineMemory read_machine_memory(const std::string& root) {
  MachineMemory memory;
  limit_by_machine(memory, root);
  // "0::/path" is version 2; "4:memory:/path" version 1.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view controllers =
        std::string_view(line).substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) limit_by_groups(memory, root, kVersion2, path);
    if (lists(controllers, "memory")) limit_by_groups(memory, root, kVersion1, path);
  }
  memory.available = std::min(memory.available, memory.total);
  return memory;
}

}  // namespace tcpeek::engine
