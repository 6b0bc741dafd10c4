# How the CUDA half of the project is built. TWEEDIE_CUDA (auto | on | simulated | off) is resolved into
# TWEEDIE_CUDA_MODE (on | simulated | off):
#   on         nvcc for real GPUs, linked with the CUDA runtime, cuBLAS, cuFFT and cuDNN
#   simulated  nvcc to PTX, linked with the stand-ins of tests/machine/stand_in: needs the toolkit's headers, no GPU
#   off        the CPU code only
# and these functions are provided:
#   tweedie_cuda_sources(target stem...)  adds <stem>.cu of the current folder to the target, in the mode's way
#   tweedie_cuda_host(target)             headers and TWEEDIE_CUDA for .cpp files that call the CUDA libraries
#   tweedie_ptx_object(result file.cu [options...])  compiles a .cu to an object whose device code is PTX
# A target that used either of the first two is compiled with TWEEDIE_CUDA=1 (0 when off) and, when
# simulated, with TWEEDIE_CUDA_SIMULATED=1; so are the targets that link it.

find_package(CUDAToolkit QUIET)
if(CUDAToolkit_FOUND)
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
  if(CUDNN_INCLUDE_DIR AND EXISTS ${CUDNN_INCLUDE_DIR}/cudnn_version.h)
    file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h cudnn_major REGEX "^#define CUDNN_MAJOR +[0-9]+")
    string(REGEX MATCH "[0-9]+" CUDNN_MAJOR "${cudnn_major}")
  endif()
endif()

# What stands between this machine and each mode; empty when nothing does.
set(simulated_lacks "")
if(NOT CUDAToolkit_NVCC_EXECUTABLE)
  list(APPEND simulated_lacks "nvcc")
endif()
foreach(header cublas_v2.h cufft.h)
  unset(header_dir CACHE)
  find_path(header_dir ${header} HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(NOT header_dir)
    list(APPEND simulated_lacks ${header})
  endif()
  unset(header_dir CACHE)
endforeach()
if(NOT CUDNN_MAJOR OR CUDNN_MAJOR LESS 9)
  list(APPEND simulated_lacks "cudnn.h of cuDNN 9")
endif()
set(on_lacks ${simulated_lacks})
foreach(library cudart cublas cufft)
  if(NOT TARGET CUDA::${library})
    list(APPEND on_lacks "lib${library}")
  endif()
endforeach()
if(NOT CUDNN_LIBRARY)
  list(APPEND on_lacks "libcudnn")
endif()
list(JOIN simulated_lacks ", " simulated_lacks)
list(JOIN on_lacks ", " on_lacks)

if(TWEEDIE_CUDA STREQUAL "auto")
  if(on_lacks STREQUAL "")
    set(TWEEDIE_CUDA_MODE on)
    message(STATUS "Tweedie: CUDA on (toolkit ${CUDAToolkit_VERSION}, cuDNN ${CUDNN_MAJOR})")
  else()
    set(TWEEDIE_CUDA_MODE off)
    message(STATUS "Tweedie: CUDA off, not found: ${on_lacks}")
  endif()
elseif(TWEEDIE_CUDA STREQUAL "on" OR TWEEDIE_CUDA STREQUAL "simulated")
  if(NOT ${TWEEDIE_CUDA}_lacks STREQUAL "")
    message(FATAL_ERROR "TWEEDIE_CUDA=${TWEEDIE_CUDA}, but these were not found: ${${TWEEDIE_CUDA}_lacks}")
  endif()
  set(TWEEDIE_CUDA_MODE ${TWEEDIE_CUDA})
  message(STATUS "Tweedie: CUDA ${TWEEDIE_CUDA_MODE} (toolkit ${CUDAToolkit_VERSION}, cuDNN ${CUDNN_MAJOR})")
elseif(TWEEDIE_CUDA STREQUAL "off")
  set(TWEEDIE_CUDA_MODE off)
else()
  message(FATAL_ERROR "TWEEDIE_CUDA is '${TWEEDIE_CUDA}'; expected auto, on, simulated or off")
endif()

if(TWEEDIE_CUDA_MODE STREQUAL "on")
  if(NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  if(NOT CMAKE_CUDA_HOST_COMPILER)
    set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90 100 CACHE STRING "GPU architectures to compile for")
  endif()
  enable_language(CUDA)
  # CMake 3.25 does not know that nvcc has C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
    set(CMAKE_CUDA20_COMPILE_FEATURES cuda_std_20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
endif()

# Options of every CUDA compilation. For the registers, stack and spills of each kernel configure with
# -DCMAKE_CUDA_FLAGS=-Xptxas=-v.
set(tweedie_nvcc_options -lineinfo -Xcompiler=-Wall,-Wextra,-ffp-contract=off)
if(CMAKE_COMPILE_WARNING_AS_ERROR)
  list(APPEND tweedie_nvcc_options -Werror=all-warnings -Xcompiler=-Werror)
endif()

function(tweedie_cuda_host target)
  if(TWEEDIE_CUDA_MODE STREQUAL "off")
    target_compile_definitions(${target} PUBLIC TWEEDIE_CUDA=0)
    return()
  endif()
  target_include_directories(${target} SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE_DIR})
  target_compile_definitions(${target} PUBLIC TWEEDIE_CUDA=1)
  if(TWEEDIE_CUDA_MODE STREQUAL "simulated")
    target_compile_definitions(${target} PUBLIC TWEEDIE_CUDA_SIMULATED=1)
    target_link_libraries(${target} PUBLIC tweedie_cuda_stand_in)
  else()
    target_link_libraries(${target} PUBLIC CUDA::cudart CUDA::cublas CUDA::cufft ${CUDNN_LIBRARY})
  endif()
endfunction()

# nvcc embeds the PTX uncompressed, where the stand-in for the runtime finds it. -lineinfo lets the machine
# name the line of the .cu file in its reports; it leaves the instructions as they are.
function(tweedie_ptx_object result source)
  get_filename_component(path ${source} ABSOLUTE)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${path})
  set(object ${CMAKE_BINARY_DIR}/ptx_objects/${name}.o)
  get_filename_component(folder ${object} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  set(sanitize "")
  if(TWEEDIE_SANITIZE)
    set(sanitize -Xcompiler=-fsanitize=address -Xcompiler=-fsanitize=undefined
        -Xcompiler=-fno-sanitize-recover=all,-fno-omit-frame-pointer)
  endif()
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} -ccbin ${CMAKE_CXX_COMPILER} -std=c++20 -arch=compute_90 -code=compute_90
            --no-compress -O2 ${tweedie_nvcc_options} ${sanitize}
            -DTWEEDIE_CUDA=1 -DTWEEDIE_CUDA_SIMULATED=1 -I${CMAKE_SOURCE_DIR} -isystem ${CUDNN_INCLUDE_DIR}
            ${ARGN} -MD -MF ${object}.d -c ${path} -o ${object}
    DEPENDS ${path}
    DEPFILE ${object}.d
    COMMENT "Compiling ${name} to PTX"
    VERBATIM)
  set_source_files_properties(${object} PROPERTIES GENERATED TRUE EXTERNAL_OBJECT TRUE)
  set(${result} ${object} PARENT_SCOPE)
endfunction()

function(tweedie_cuda_sources target)
  tweedie_cuda_host(${target})
  if(TWEEDIE_CUDA_MODE STREQUAL "on")
    foreach(stem IN LISTS ARGN)
      target_sources(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
    endforeach()
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${tweedie_nvcc_options}>")
  elseif(TWEEDIE_CUDA_MODE STREQUAL "simulated")
    foreach(stem IN LISTS ARGN)
      tweedie_ptx_object(object ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
      target_sources(${target} PRIVATE ${object})
    endforeach()
  endif()
endfunction()
