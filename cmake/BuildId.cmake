# Writes build_id.cpp with a hash of all that the programs of a build have in common: the static libraries and object files that FILES (a file) lists, a line each.
# It changes whenever any code does, and is the same for equal files. Run when one of them has changed; build_id.cpp changes only when the hash does.
#   cmake -DFILES=build_id_files.txt -DTEMPLATE=build_id.cpp.in -DOUT=build_id.cpp -P BuildId.cmake
file(STRINGS ${FILES} files)
set(hashes "")
foreach(file ${files})
  file(SHA256 ${file} hash)
  string(APPEND hashes "${hash}\n")
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 16 build_id)
configure_file(${TEMPLATE} ${OUT} @ONLY)
