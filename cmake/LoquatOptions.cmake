# Compiler, warnings, sanitizers: what every target of the tree is built with.

option(LOQUAT_TESTS "Build the unit and functional tests" ON)
option(LOQUAT_BENCH "Build the microbenchmarks" OFF)
option(LOQUAT_FUZZ "Build the fuzzers with libFuzzer (otherwise each replays its seeds as a test)" OFF)
option(LOQUAT_COVER "Instrument for line coverage" OFF)
set(LOQUAT_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize= (address,undefined or thread)")

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "Loquat needs clang 19 or newer: g++ 12 miscompiles coroutine temporaries. "
                      "Use a preset (cmake --preset release) or set CMAKE_CXX_COMPILER=clang++-19.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ${LOQUAT_TESTS})

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Paths below the source tree are hashed relative to it, so that a second checkout finds what the first one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE_PROGRAM}")
endif()

add_compile_options(-Wall -Wextra -Werror -Wthread-safety -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
                    -Wno-missing-designated-field-initializers  # A member with a default needs no initialiser.
                    -fno-omit-frame-pointer)
add_compile_definitions(BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_SEPARATE_COMPILATION)
add_link_options(-fuse-ld=lld-19)

if(LOQUAT_SANITIZE)
  add_compile_options(-fsanitize=${LOQUAT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LOQUAT_SANITIZE})
endif()
if(LOQUAT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(LOQUAT_COVER)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
