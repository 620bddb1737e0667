#include "ring/prefilter.h"

#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tcpeek::ring {
namespace {

constexpr std::size_t kLogBytes = std::size_t{1} << 20;
constexpr std::uint32_t kLogStates = 1;

static_assert(sizeof(bpf_insn) == sizeof(EbpfInstruction));

std::uint64_t address_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

long bpf(bpf_cmd command, bpf_attr& attributes) noexcept {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

// The rest is zeros, which end it.
void name(std::span<char> field, std::string_view text) {
  std::ranges::copy(text.substr(0, field.size() - 1), field.begin());
}

std::string advice(int error) {
  if (error == EPERM || error == EACCES) {
    return " (it takes CAP_BPF, and a container or a service may forbid bpf(2))";
  }
  if (error == ENOSYS) return " (the kernel is built without bpf(2))";
  return "";
}

[[noreturn]] void refuse(const std::string& what, int error, std::string log = {}) {
  throw PrefilterRefused(what + ": " + std::generic_category().message(error) + advice(error),
                         std::move(log));
}

// The verifier ends with its reason, and figures about itself.
std::string last_words(const std::string& log) {
  std::string found;
  std::size_t from = 0;
  while (from < log.size()) {
    const std::size_t end = std::min(log.find('\n', from), log.size());
    const std::string line = log.substr(from, end - from);
    if (!line.empty() && !line.starts_with("processed ")) found = line;
    from = end + 1;
  }
  return found;
}

Descriptor make_marks() {
  bpf_attr wanted{};
  wanted.map_type = BPF_MAP_TYPE_ARRAY;
  wanted.key_size = sizeof(std::uint32_t);
  wanted.value_size = Marks::kBytes;
  wanted.max_entries = 1;
  wanted.map_flags = BPF_F_MMAPABLE;
  name(wanted.map_name, "tcpeek_marks");
  const long fd = bpf(BPF_MAP_CREATE, wanted);
  if (fd < 0) refuse("cannot make the map of marks (BPF_MAP_CREATE)", errno);
  return Descriptor(static_cast<int>(fd));
}

bpf_attr attributes_of(std::span<const EbpfInstruction> program) {
  bpf_attr wanted{};
  wanted.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  wanted.insns = address_of(program.data());
  wanted.insn_cnt = static_cast<std::uint32_t>(program.size());
  wanted.license = address_of("MIT");
  name(wanted.prog_name, "tcpeek");
  return wanted;
}

// Whether sockets take it: of all that is attached to a socket the kernel bounds the size
// (net.core.optmem_max).
void try_on_a_socket(int program) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) refuse("cannot open a socket to try the program on", errno);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) == 0) return;
  refuse("cannot attach the program to a socket (SO_ATTACH_BPF)", errno);
}

}  // namespace

// First without a log, for which the verifier has to write down each step.
Descriptor load_socket_filter(std::span<const EbpfInstruction> program) {
  bpf_attr wanted = attributes_of(program);
  long fd = bpf(BPF_PROG_LOAD, wanted);
  if (fd >= 0) return Descriptor(static_cast<int>(fd));
  constexpr const char* kWhat = "cannot load the program (BPF_PROG_LOAD)";
  const int error = errno;
  std::vector<char> buffer(kLogBytes);
  wanted.log_level = kLogStates;
  wanted.log_buf = address_of(buffer.data());
  wanted.log_size = static_cast<std::uint32_t>(buffer.size());
  fd = bpf(BPF_PROG_LOAD, wanted);
  if (fd >= 0) return Descriptor(static_cast<int>(fd));
  std::string log(buffer.data(), ::strnlen(buffer.data(), buffer.size()));
  const std::string reason = last_words(log);
  if (reason.empty()) refuse(kWhat, error);
  throw PrefilterRefused(std::string(kWhat) + ": the kernel's verifier says: " + reason,
                         std::move(log));
}

Prefilter::Prefilter(CaptureFilter filter, const SteeringKey& key, std::chrono::seconds lifetime)
    : filter_(std::move(filter)), key_(key), lifetime_(lifetime), marks_(make_marks()) {}

void Prefilter::load(Access access, std::uint32_t loopback_index) {
  Descriptor& program = programs_[{access, loopback_index}];
  if (program.get() >= 0) return;
  program = load_socket_filter(prefilter_program({.filter = filter_,
                                                  .access = access,
                                                  .loopback_index = loopback_index,
                                                  .key = key_,
                                                  .lifetime = lifetime_,
                                                  .marks = marks_.get()}));
  try_on_a_socket(program.get());
}

int Prefilter::descriptor(Access access, std::uint32_t loopback_index) const {
  return programs_.at({access, loopback_index}).get();
}

}  // namespace tcpeek::ring
