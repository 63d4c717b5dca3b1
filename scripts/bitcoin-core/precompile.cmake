# Most of the time to compile Bitcoin Core goes into reading the same headers some three
# hundred times. This makes each library read the standard ones once. CMake includes it by
# CMAKE_PROJECT_BitcoinCore_INCLUDE, so that Bitcoin Core's own source stays untouched.

set(precompiled
  <algorithm> <array> <atomic> <chrono> <condition_variable> <filesystem> <fstream> <functional>
  <future> <iomanip> <iostream> <list> <map> <memory> <mutex> <numeric> <optional> <queue> <ranges>
  <set> <span> <sstream> <string> <thread> <tuple> <unordered_map> <unordered_set> <variant> <vector>
)

# The targets do not exist yet: wait until the whole project has been read.
function(precompile_headers)
  foreach(target bitcoin_node bitcoin_common bitcoin_consensus bitcoin_util)
    target_precompile_headers(${target} PRIVATE ${precompiled})
  endforeach()
endfunction()
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL precompile_headers)
