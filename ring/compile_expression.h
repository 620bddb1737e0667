// pcap_compile() with its errors distinguished.
//
// libpcap reports a syntax error and a lack of memory in the same way, by a message. The user can fix
// the first, not the second.
//
// Thread contract: none of its own; libpcap's compiler is reentrant.
// Errors: FilterSyntaxError with libpcap's words; std::bad_alloc.
#pragma once

#include <pcap/pcap.h>

#include <cerrno>
#include <new>
#include <string>

#include "ring/capture_filter.h"

namespace tcpeek::ring {

inline void compile_expression(pcap_t* handle, bpf_program* program,
                               const std::string& expression) {
  errno = 0;
  if (pcap_compile(handle, program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0) return;
  // Set by malloc(), the only call here that can fail with it.
  if (errno == ENOMEM) throw std::bad_alloc();
  throw FilterSyntaxError(pcap_geterr(handle));
}

}  // namespace tcpeek::ring
