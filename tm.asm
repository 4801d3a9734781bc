BB0:
	v_mbcnt_lo_u32_b32 v2, -1, 0                                ; d7650002 000100c1
	v_mbcnt_hi_u32_b32 v2, -1, v2                               ; d7660002 000204c1
	v_lshlrev_b32_e32 v2, 4, v2                                 ; 34040484
	s_mov_b64 s[0:1], exec                                      ; be80047e
BB1:
	s_mov_b64 s[4:5], exec                                      ; be84047e
	v_cmpx_le_u32_e32 0x1bf0, v2                                ; 7da604ff 00001bf0
BB2:
	s_andn2_b64 s[4:5], s[4:5], exec                            ; 8a847e04
	s_cbranch_scc0 BB10                                         ; bf84000a
BB9:
	s_mov_b64 exec, s[4:5]                                      ; befe0404
	v_lshrrev_b64 v[4:5], 0, 0                                  ; d7000004 00010080
	v_lshrrev_b64 v[6:7], 0, 0                                  ; d7000006 00010080
	ds_write_b128 v2, v[4:7]                                    ; db7c0000 00000402
	v_add_nc_u32_e32 v2, 0x400, v2                              ; 4a0404ff 00000400
	s_branch BB1                                                ; bf82fff1
BB10:
	s_mov_b64 exec, s[0:1]                                      ; befe0400
	s_mul_i32 s0, s8, s3                                        ; 93000308
	s_add_u32 s0, s0, s6                                        ; 80000600
	s_cmpk_le_u32 s0, 0x5f                                      ; b700005f
	s_cbranch_scc0 BB18                                         ; bf8407f7
BB11:
	s_movk_i32 s3, 0x8000                                       ; b0038000
	s_clause 0x1                                                ; bfa10001
	s_load_dwordx4 s[8:11], s[2:3], null                        ; f4080201 fa000000
	s_load_dwordx4 s[12:15], s[2:3], 0x10                       ; f4080301 fa000010
	v_ashrrev_i32_e32 v2, 2, v0                                 ; 30040082
	v_and_b32_e32 v3, 3, v0                                     ; 36060083
	s_mul_i32 s1, s7, 0x3000                                    ; 9301ff07 00003000
	v_mad_u32_u24 v4, 0x180, v1, s1                             ; d5430004 000602ff 00000180
	v_mad_u32_u24 v4, 0xc0, v2, v4                              ; d5430004 041204ff 000000c0
	v_add_lshl_u32 v5, v4, v3, 4                                ; d7470005 02120704
	v_add_nc_u32_e32 v6, 0xc000, v5                             ; 4a0c0aff 0000c000
	s_bfm_b32 s1, 2, 15                                         ; 92018f82
	v_add_nc_u32_e32 v7, s1, v5                                 ; 4a0e0a01
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	buffer_load_dwordx4 v[8:11], v5, s[8:11], 0 offen           ; e0381000 80020805
	v_add_nc_u32_e32 v5, 0x24000, v5                            ; 4a0a0aff 00024000
	s_clause 0x2                                                ; bfa10002
	buffer_load_dwordx4 v[12:15], v6, s[8:11], 0 offen          ; e0381000 80020c06
	buffer_load_dwordx4 v[16:19], v7, s[8:11], 0 offen          ; e0381000 80021007
	buffer_load_dwordx4 v[20:23], v5, s[8:11], 0 offen          ; e0381000 80021405
	v_mul_u32_u24_e32 v5, 0x300, v1                             ; 160a02ff 00000300
	s_lshl_b32 s0, s0, 3                                        ; 8f008300
	v_add3_u32 v6, v0, s0, v5                                   ; d76d0006 04140100
	v_lshlrev_b32_e32 v6, 4, v6                                 ; 340c0c84
	buffer_load_dwordx4 v[24:27], v6, s[12:15], 0 offen         ; e0381000 80031806
	v_add_nc_u32_e32 v6, s1, v6                                 ; 4a0c0c01
	buffer_load_dwordx4 v[28:31], v6, s[12:15], 0 offen         ; e0381000 80031c06
	v_lshrrev_b64 v[6:7], 0, 0                                  ; d7000006 00010080
	v_lshrrev_b64 v[32:33], 0, 0                                ; d7000020 00010080
	v_lshrrev_b64 v[34:35], 0, 0                                ; d7000022 00010080
	v_lshrrev_b64 v[36:37], 0, 0                                ; d7000024 00010080
	v_lshrrev_b64 v[38:39], 0, 0                                ; d7000026 00010080
	v_lshrrev_b64 v[40:41], 0, 0                                ; d7000028 00010080
	v_lshrrev_b64 v[42:43], 0, 0                                ; d700002a 00010080
	v_lshrrev_b64 v[44:45], 0, 0                                ; d700002c 00010080
	v_lshrrev_b64 v[46:47], 0, 0                                ; d700002e 00010080
	v_lshrrev_b64 v[48:49], 0, 0                                ; d7000030 00010080
	v_lshrrev_b64 v[50:51], 0, 0                                ; d7000032 00010080
	v_lshrrev_b64 v[52:53], 0, 0                                ; d7000034 00010080
	v_lshrrev_b64 v[54:55], 0, 0                                ; d7000036 00010080
	v_lshrrev_b64 v[56:57], 0, 0                                ; d7000038 00010080
	v_lshrrev_b64 v[58:59], 0, 0                                ; d700003a 00010080
	v_lshrrev_b64 v[60:61], 0, 0                                ; d700003c 00010080
	s_mov_b32 s6, 0                                             ; be860380
BB12:
	s_cmp_ge_i32 s6, 48                                         ; bf03b006
	s_cbranch_scc1 BB16                                         ; bf8502ca
BB15:
	s_add_u32 s6, s6, 1                                         ; 80068106
	s_min_i32 s4, s6, 47                                        ; 8304af06
	v_lshl_add_u32 v62, s4, 2, v4                               ; d746003e 04110404
	v_add_lshl_u32 v62, v62, v3, 4                              ; d747003e 0212073e
	v_add_nc_u32_e32 v63, 0xc000, v62                           ; 4a7e7cff 0000c000
	v_add_nc_u32_e32 v64, s1, v62                               ; 4a807c01
	buffer_load_dwordx4 v[68:71], v62, s[8:11], 0 offen         ; e0381000 8002443e
	v_add_nc_u32_e32 v62, 0x24000, v62                          ; 4a7c7cff 00024000
	s_clause 0x2                                                ; bfa10002
	buffer_load_dwordx4 v[72:75], v63, s[8:11], 0 offen         ; e0381000 8002483f
	buffer_load_dwordx4 v[64:67], v64, s[8:11], 0 offen         ; e0381000 80024040
	buffer_load_dwordx4 v[76:79], v62, s[8:11], 0 offen         ; e0381000 80024c3e
	s_mulk_i32 s4, 0x3000                                       ; b8043000
	v_add3_u32 v62, s0, s4, v5                                  ; d76d003e 04140800
	v_add_lshl_u32 v62, v62, v0, 4                              ; d747003e 0212013e
	buffer_load_dwordx4 v[80:83], v62, s[12:15], 0 offen        ; e0381000 8003503e
	v_add_nc_u32_e32 v62, s1, v62                               ; 4a7c7c01
	buffer_load_dwordx4 v[84:87], v62, s[12:15], 0 offen        ; e0381000 8003543e
	v_mul_u32_u24_e32 v62, 5, v2                                ; 167c0485
	v_mad_u32_u24 v62, 10, v1, v62                              ; d543003e 04fa028a
	v_add_lshl_u32 v62, v62, v3, 4                              ; d747003e 0212073e
	s_waitcnt vmcnt(11)                                         ; bf8c3f7b
	ds_write_b128 v62, v[8:11]                                  ; db7c0000 0000083e
	s_waitcnt vmcnt(10)                                         ; bf8c3f7a
	ds_write_b128 v62, v[12:15] offset:1280                     ; db7c0500 00000c3e
	s_waitcnt vmcnt(9)                                          ; bf8c3f79
	ds_write_b128 v62, v[16:19] offset:2560                     ; db7c0a00 0000103e
	s_waitcnt vmcnt(8)                                          ; bf8c3f78
	ds_write_b128 v62, v[20:23] offset:3840                     ; db7c0f00 0000143e
	v_lshl_add_u32 v62, v1, 3, v0                               ; d746003e 04010701
	v_lshlrev_b32_e32 v62, 4, v62                               ; 347c7c84
	s_waitcnt vmcnt(7)                                          ; bf8c3f77
	ds_write_b128 v62, v[24:27] offset:5104                     ; db7c13f0 0000183e
	s_waitcnt vmcnt(6)                                          ; bf8c3f76
	ds_write_b128 v62, v[28:31] offset:6128                     ; db7c17f0 00001c3e
	v_mul_u32_u24_e32 v62, 0x50, v1                             ; 167c02ff 00000050
	ds_read_b128 v[8:11], v62                                   ; dbfc0000 0800003e
	ds_read_b128 v[12:15], v62 offset:640                       ; dbfc0280 0c00003e
	ds_read_b128 v[16:19], v62 offset:1280                      ; dbfc0500 1000003e
	ds_read_b128 v[20:23], v62 offset:1920                      ; dbfc0780 1400003e
	ds_read_b128 v[24:27], v62 offset:2560                      ; dbfc0a00 1800003e
	ds_read_b128 v[28:31], v62 offset:3200                      ; dbfc0c80 1c00003e
	ds_read_b128 v[88:91], v62 offset:3840                      ; dbfc0f00 5800003e
	ds_read_b128 v[92:95], v62 offset:4480                      ; dbfc1180 5c00003e
	v_lshlrev_b32_e32 v63, 4, v0                                ; 347e0084
	ds_read_b128 v[96:99], v63 offset:5104                      ; dbfc13f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v8, v96                                 ; 5642c108
	v_fmac_f32_e32 v32, v8, v97                                 ; 5640c308
	v_fmac_f32_e32 v7, v8, v98                                  ; 560ec508
	v_fmac_f32_e32 v6, v8, v99                                  ; 560cc708
	v_fmac_f32_e32 v37, v12, v96                                ; 564ac10c
	v_fmac_f32_e32 v36, v12, v97                                ; 5648c30c
	v_fmac_f32_e32 v35, v12, v98                                ; 5646c50c
	v_fmac_f32_e32 v34, v12, v99                                ; 5644c70c
	v_fmac_f32_e32 v41, v16, v96                                ; 5652c110
	v_fmac_f32_e32 v40, v16, v97                                ; 5650c310
	v_fmac_f32_e32 v39, v16, v98                                ; 564ec510
	v_fmac_f32_e32 v38, v16, v99                                ; 564cc710
	v_fmac_f32_e32 v45, v20, v96                                ; 565ac114
	v_fmac_f32_e32 v44, v20, v97                                ; 5658c314
	v_fmac_f32_e32 v43, v20, v98                                ; 5656c514
	v_fmac_f32_e32 v42, v20, v99                                ; 5654c714
	v_fmac_f32_e32 v49, v24, v96                                ; 5662c118
	v_fmac_f32_e32 v48, v24, v97                                ; 5660c318
	v_fmac_f32_e32 v47, v24, v98                                ; 565ec518
	v_fmac_f32_e32 v46, v24, v99                                ; 565cc718
	v_fmac_f32_e32 v53, v28, v96                                ; 566ac11c
	v_fmac_f32_e32 v52, v28, v97                                ; 5668c31c
	v_fmac_f32_e32 v51, v28, v98                                ; 5666c51c
	v_fmac_f32_e32 v50, v28, v99                                ; 5664c71c
	v_fmac_f32_e32 v57, v88, v96                                ; 5672c158
	v_fmac_f32_e32 v56, v88, v97                                ; 5670c358
	v_fmac_f32_e32 v55, v88, v98                                ; 566ec558
	v_fmac_f32_e32 v54, v88, v99                                ; 566cc758
	v_fmac_f32_e32 v61, v92, v96                                ; 567ac15c
	v_fmac_f32_e32 v60, v92, v97                                ; 5678c35c
	v_fmac_f32_e32 v59, v92, v98                                ; 5676c55c
	v_fmac_f32_e32 v58, v92, v99                                ; 5674c75c
	ds_read_b128 v[96:99], v63 offset:5232                      ; dbfc1470 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v9, v96                                 ; 5642c109
	v_fmac_f32_e32 v32, v9, v97                                 ; 5640c309
	v_fmac_f32_e32 v7, v9, v98                                  ; 560ec509
	v_fmac_f32_e32 v6, v9, v99                                  ; 560cc709
	v_fmac_f32_e32 v37, v13, v96                                ; 564ac10d
	v_fmac_f32_e32 v36, v13, v97                                ; 5648c30d
	v_fmac_f32_e32 v35, v13, v98                                ; 5646c50d
	v_fmac_f32_e32 v34, v13, v99                                ; 5644c70d
	v_fmac_f32_e32 v41, v17, v96                                ; 5652c111
	v_fmac_f32_e32 v40, v17, v97                                ; 5650c311
	v_fmac_f32_e32 v39, v17, v98                                ; 564ec511
	v_fmac_f32_e32 v38, v17, v99                                ; 564cc711
	v_fmac_f32_e32 v45, v21, v96                                ; 565ac115
	v_fmac_f32_e32 v44, v21, v97                                ; 5658c315
	v_fmac_f32_e32 v43, v21, v98                                ; 5656c515
	v_fmac_f32_e32 v42, v21, v99                                ; 5654c715
	v_fmac_f32_e32 v49, v25, v96                                ; 5662c119
	v_fmac_f32_e32 v48, v25, v97                                ; 5660c319
	v_fmac_f32_e32 v47, v25, v98                                ; 565ec519
	v_fmac_f32_e32 v46, v25, v99                                ; 565cc719
	v_fmac_f32_e32 v53, v29, v96                                ; 566ac11d
	v_fmac_f32_e32 v52, v29, v97                                ; 5668c31d
	v_fmac_f32_e32 v51, v29, v98                                ; 5666c51d
	v_fmac_f32_e32 v50, v29, v99                                ; 5664c71d
	v_fmac_f32_e32 v57, v89, v96                                ; 5672c159
	v_fmac_f32_e32 v56, v89, v97                                ; 5670c359
	v_fmac_f32_e32 v55, v89, v98                                ; 566ec559
	v_fmac_f32_e32 v54, v89, v99                                ; 566cc759
	v_fmac_f32_e32 v61, v93, v96                                ; 567ac15d
	v_fmac_f32_e32 v60, v93, v97                                ; 5678c35d
	v_fmac_f32_e32 v59, v93, v98                                ; 5676c55d
	v_fmac_f32_e32 v58, v93, v99                                ; 5674c75d
	ds_read_b128 v[96:99], v63 offset:5360                      ; dbfc14f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v10, v96                                ; 5642c10a
	v_fmac_f32_e32 v32, v10, v97                                ; 5640c30a
	v_fmac_f32_e32 v7, v10, v98                                 ; 560ec50a
	v_fmac_f32_e32 v6, v10, v99                                 ; 560cc70a
	v_fmac_f32_e32 v37, v14, v96                                ; 564ac10e
	v_fmac_f32_e32 v36, v14, v97                                ; 5648c30e
	v_fmac_f32_e32 v35, v14, v98                                ; 5646c50e
	v_fmac_f32_e32 v34, v14, v99                                ; 5644c70e
	v_fmac_f32_e32 v41, v18, v96                                ; 5652c112
	v_fmac_f32_e32 v40, v18, v97                                ; 5650c312
	v_fmac_f32_e32 v39, v18, v98                                ; 564ec512
	v_fmac_f32_e32 v38, v18, v99                                ; 564cc712
	v_fmac_f32_e32 v45, v22, v96                                ; 565ac116
	v_fmac_f32_e32 v44, v22, v97                                ; 5658c316
	v_fmac_f32_e32 v43, v22, v98                                ; 5656c516
	v_fmac_f32_e32 v42, v22, v99                                ; 5654c716
	v_fmac_f32_e32 v49, v26, v96                                ; 5662c11a
	v_fmac_f32_e32 v48, v26, v97                                ; 5660c31a
	v_fmac_f32_e32 v47, v26, v98                                ; 565ec51a
	v_fmac_f32_e32 v46, v26, v99                                ; 565cc71a
	v_fmac_f32_e32 v53, v30, v96                                ; 566ac11e
	v_fmac_f32_e32 v52, v30, v97                                ; 5668c31e
	v_fmac_f32_e32 v51, v30, v98                                ; 5666c51e
	v_fmac_f32_e32 v50, v30, v99                                ; 5664c71e
	v_fmac_f32_e32 v57, v90, v96                                ; 5672c15a
	v_fmac_f32_e32 v56, v90, v97                                ; 5670c35a
	v_fmac_f32_e32 v55, v90, v98                                ; 566ec55a
	v_fmac_f32_e32 v54, v90, v99                                ; 566cc75a
	v_fmac_f32_e32 v61, v94, v96                                ; 567ac15e
	v_fmac_f32_e32 v60, v94, v97                                ; 5678c35e
	v_fmac_f32_e32 v59, v94, v98                                ; 5676c55e
	v_fmac_f32_e32 v58, v94, v99                                ; 5674c75e
	ds_read_b128 v[96:99], v63 offset:5488                      ; dbfc1570 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v11, v96                                ; 5642c10b
	v_fmac_f32_e32 v32, v11, v97                                ; 5640c30b
	v_fmac_f32_e32 v7, v11, v98                                 ; 560ec50b
	v_fmac_f32_e32 v6, v11, v99                                 ; 560cc70b
	v_fmac_f32_e32 v37, v15, v96                                ; 564ac10f
	v_fmac_f32_e32 v36, v15, v97                                ; 5648c30f
	v_fmac_f32_e32 v35, v15, v98                                ; 5646c50f
	v_fmac_f32_e32 v34, v15, v99                                ; 5644c70f
	v_fmac_f32_e32 v41, v19, v96                                ; 5652c113
	v_fmac_f32_e32 v40, v19, v97                                ; 5650c313
	v_fmac_f32_e32 v39, v19, v98                                ; 564ec513
	v_fmac_f32_e32 v38, v19, v99                                ; 564cc713
	v_fmac_f32_e32 v45, v23, v96                                ; 565ac117
	v_fmac_f32_e32 v44, v23, v97                                ; 5658c317
	v_fmac_f32_e32 v43, v23, v98                                ; 5656c517
	v_fmac_f32_e32 v42, v23, v99                                ; 5654c717
	v_fmac_f32_e32 v49, v27, v96                                ; 5662c11b
	v_fmac_f32_e32 v48, v27, v97                                ; 5660c31b
	v_fmac_f32_e32 v47, v27, v98                                ; 565ec51b
	v_fmac_f32_e32 v46, v27, v99                                ; 565cc71b
	v_fmac_f32_e32 v53, v31, v96                                ; 566ac11f
	v_fmac_f32_e32 v52, v31, v97                                ; 5668c31f
	v_fmac_f32_e32 v51, v31, v98                                ; 5666c51f
	v_fmac_f32_e32 v50, v31, v99                                ; 5664c71f
	v_fmac_f32_e32 v57, v91, v96                                ; 5672c15b
	v_fmac_f32_e32 v56, v91, v97                                ; 5670c35b
	v_fmac_f32_e32 v55, v91, v98                                ; 566ec55b
	v_fmac_f32_e32 v54, v91, v99                                ; 566cc75b
	v_fmac_f32_e32 v61, v95, v96                                ; 567ac15f
	v_fmac_f32_e32 v60, v95, v97                                ; 5678c35f
	v_fmac_f32_e32 v59, v95, v98                                ; 5676c55f
	v_fmac_f32_e32 v58, v95, v99                                ; 5674c75f
	ds_read_b128 v[8:11], v62 offset:16                         ; dbfc0010 0800003e
	ds_read_b128 v[12:15], v62 offset:656                       ; dbfc0290 0c00003e
	ds_read_b128 v[16:19], v62 offset:1296                      ; dbfc0510 1000003e
	ds_read_b128 v[20:23], v62 offset:1936                      ; dbfc0790 1400003e
	ds_read_b128 v[24:27], v62 offset:2576                      ; dbfc0a10 1800003e
	ds_read_b128 v[28:31], v62 offset:3216                      ; dbfc0c90 1c00003e
	ds_read_b128 v[88:91], v62 offset:3856                      ; dbfc0f10 5800003e
	ds_read_b128 v[92:95], v62 offset:4496                      ; dbfc1190 5c00003e
	ds_read_b128 v[96:99], v63 offset:5616                      ; dbfc15f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v8, v96                                 ; 5642c108
	v_fmac_f32_e32 v32, v8, v97                                 ; 5640c308
	v_fmac_f32_e32 v7, v8, v98                                  ; 560ec508
	v_fmac_f32_e32 v6, v8, v99                                  ; 560cc708
	v_fmac_f32_e32 v37, v12, v96                                ; 564ac10c
	v_fmac_f32_e32 v36, v12, v97                                ; 5648c30c
	v_fmac_f32_e32 v35, v12, v98                                ; 5646c50c
	v_fmac_f32_e32 v34, v12, v99                                ; 5644c70c
	v_fmac_f32_e32 v41, v16, v96                                ; 5652c110
	v_fmac_f32_e32 v40, v16, v97                                ; 5650c310
	v_fmac_f32_e32 v39, v16, v98                                ; 564ec510
	v_fmac_f32_e32 v38, v16, v99                                ; 564cc710
	v_fmac_f32_e32 v45, v20, v96                                ; 565ac114
	v_fmac_f32_e32 v44, v20, v97                                ; 5658c314
	v_fmac_f32_e32 v43, v20, v98                                ; 5656c514
	v_fmac_f32_e32 v42, v20, v99                                ; 5654c714
	v_fmac_f32_e32 v49, v24, v96                                ; 5662c118
	v_fmac_f32_e32 v48, v24, v97                                ; 5660c318
	v_fmac_f32_e32 v47, v24, v98                                ; 565ec518
	v_fmac_f32_e32 v46, v24, v99                                ; 565cc718
	v_fmac_f32_e32 v53, v28, v96                                ; 566ac11c
	v_fmac_f32_e32 v52, v28, v97                                ; 5668c31c
	v_fmac_f32_e32 v51, v28, v98                                ; 5666c51c
	v_fmac_f32_e32 v50, v28, v99                                ; 5664c71c
	v_fmac_f32_e32 v57, v88, v96                                ; 5672c158
	v_fmac_f32_e32 v56, v88, v97                                ; 5670c358
	v_fmac_f32_e32 v55, v88, v98                                ; 566ec558
	v_fmac_f32_e32 v54, v88, v99                                ; 566cc758
	v_fmac_f32_e32 v61, v92, v96                                ; 567ac15c
	v_fmac_f32_e32 v60, v92, v97                                ; 5678c35c
	v_fmac_f32_e32 v59, v92, v98                                ; 5676c55c
	v_fmac_f32_e32 v58, v92, v99                                ; 5674c75c
	ds_read_b128 v[96:99], v63 offset:5744                      ; dbfc1670 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v9, v96                                 ; 5642c109
	v_fmac_f32_e32 v32, v9, v97                                 ; 5640c309
	v_fmac_f32_e32 v7, v9, v98                                  ; 560ec509
	v_fmac_f32_e32 v6, v9, v99                                  ; 560cc709
	v_fmac_f32_e32 v37, v13, v96                                ; 564ac10d
	v_fmac_f32_e32 v36, v13, v97                                ; 5648c30d
	v_fmac_f32_e32 v35, v13, v98                                ; 5646c50d
	v_fmac_f32_e32 v34, v13, v99                                ; 5644c70d
	v_fmac_f32_e32 v41, v17, v96                                ; 5652c111
	v_fmac_f32_e32 v40, v17, v97                                ; 5650c311
	v_fmac_f32_e32 v39, v17, v98                                ; 564ec511
	v_fmac_f32_e32 v38, v17, v99                                ; 564cc711
	v_fmac_f32_e32 v45, v21, v96                                ; 565ac115
	v_fmac_f32_e32 v44, v21, v97                                ; 5658c315
	v_fmac_f32_e32 v43, v21, v98                                ; 5656c515
	v_fmac_f32_e32 v42, v21, v99                                ; 5654c715
	v_fmac_f32_e32 v49, v25, v96                                ; 5662c119
	v_fmac_f32_e32 v48, v25, v97                                ; 5660c319
	v_fmac_f32_e32 v47, v25, v98                                ; 565ec519
	v_fmac_f32_e32 v46, v25, v99                                ; 565cc719
	v_fmac_f32_e32 v53, v29, v96                                ; 566ac11d
	v_fmac_f32_e32 v52, v29, v97                                ; 5668c31d
	v_fmac_f32_e32 v51, v29, v98                                ; 5666c51d
	v_fmac_f32_e32 v50, v29, v99                                ; 5664c71d
	v_fmac_f32_e32 v57, v89, v96                                ; 5672c159
	v_fmac_f32_e32 v56, v89, v97                                ; 5670c359
	v_fmac_f32_e32 v55, v89, v98                                ; 566ec559
	v_fmac_f32_e32 v54, v89, v99                                ; 566cc759
	v_fmac_f32_e32 v61, v93, v96                                ; 567ac15d
	v_fmac_f32_e32 v60, v93, v97                                ; 5678c35d
	v_fmac_f32_e32 v59, v93, v98                                ; 5676c55d
	v_fmac_f32_e32 v58, v93, v99                                ; 5674c75d
	ds_read_b128 v[96:99], v63 offset:5872                      ; dbfc16f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v10, v96                                ; 5642c10a
	v_fmac_f32_e32 v32, v10, v97                                ; 5640c30a
	v_fmac_f32_e32 v7, v10, v98                                 ; 560ec50a
	v_fmac_f32_e32 v6, v10, v99                                 ; 560cc70a
	v_fmac_f32_e32 v37, v14, v96                                ; 564ac10e
	v_fmac_f32_e32 v36, v14, v97                                ; 5648c30e
	v_fmac_f32_e32 v35, v14, v98                                ; 5646c50e
	v_fmac_f32_e32 v34, v14, v99                                ; 5644c70e
	v_fmac_f32_e32 v41, v18, v96                                ; 5652c112
	v_fmac_f32_e32 v40, v18, v97                                ; 5650c312
	v_fmac_f32_e32 v39, v18, v98                                ; 564ec512
	v_fmac_f32_e32 v38, v18, v99                                ; 564cc712
	v_fmac_f32_e32 v45, v22, v96                                ; 565ac116
	v_fmac_f32_e32 v44, v22, v97                                ; 5658c316
	v_fmac_f32_e32 v43, v22, v98                                ; 5656c516
	v_fmac_f32_e32 v42, v22, v99                                ; 5654c716
	v_fmac_f32_e32 v49, v26, v96                                ; 5662c11a
	v_fmac_f32_e32 v48, v26, v97                                ; 5660c31a
	v_fmac_f32_e32 v47, v26, v98                                ; 565ec51a
	v_fmac_f32_e32 v46, v26, v99                                ; 565cc71a
	v_fmac_f32_e32 v53, v30, v96                                ; 566ac11e
	v_fmac_f32_e32 v52, v30, v97                                ; 5668c31e
	v_fmac_f32_e32 v51, v30, v98                                ; 5666c51e
	v_fmac_f32_e32 v50, v30, v99                                ; 5664c71e
	v_fmac_f32_e32 v57, v90, v96                                ; 5672c15a
	v_fmac_f32_e32 v56, v90, v97                                ; 5670c35a
	v_fmac_f32_e32 v55, v90, v98                                ; 566ec55a
	v_fmac_f32_e32 v54, v90, v99                                ; 566cc75a
	v_fmac_f32_e32 v61, v94, v96                                ; 567ac15e
	v_fmac_f32_e32 v60, v94, v97                                ; 5678c35e
	v_fmac_f32_e32 v59, v94, v98                                ; 5676c55e
	v_fmac_f32_e32 v58, v94, v99                                ; 5674c75e
	ds_read_b128 v[96:99], v63 offset:6000                      ; dbfc1770 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v11, v96                                ; 5642c10b
	v_fmac_f32_e32 v32, v11, v97                                ; 5640c30b
	v_fmac_f32_e32 v7, v11, v98                                 ; 560ec50b
	v_fmac_f32_e32 v6, v11, v99                                 ; 560cc70b
	v_fmac_f32_e32 v37, v15, v96                                ; 564ac10f
	v_fmac_f32_e32 v36, v15, v97                                ; 5648c30f
	v_fmac_f32_e32 v35, v15, v98                                ; 5646c50f
	v_fmac_f32_e32 v34, v15, v99                                ; 5644c70f
	v_fmac_f32_e32 v41, v19, v96                                ; 5652c113
	v_fmac_f32_e32 v40, v19, v97                                ; 5650c313
	v_fmac_f32_e32 v39, v19, v98                                ; 564ec513
	v_fmac_f32_e32 v38, v19, v99                                ; 564cc713
	v_fmac_f32_e32 v45, v23, v96                                ; 565ac117
	v_fmac_f32_e32 v44, v23, v97                                ; 5658c317
	v_fmac_f32_e32 v43, v23, v98                                ; 5656c517
	v_fmac_f32_e32 v42, v23, v99                                ; 5654c717
	v_fmac_f32_e32 v49, v27, v96                                ; 5662c11b
	v_fmac_f32_e32 v48, v27, v97                                ; 5660c31b
	v_fmac_f32_e32 v47, v27, v98                                ; 565ec51b
	v_fmac_f32_e32 v46, v27, v99                                ; 565cc71b
	v_fmac_f32_e32 v53, v31, v96                                ; 566ac11f
	v_fmac_f32_e32 v52, v31, v97                                ; 5668c31f
	v_fmac_f32_e32 v51, v31, v98                                ; 5666c51f
	v_fmac_f32_e32 v50, v31, v99                                ; 5664c71f
	v_fmac_f32_e32 v57, v91, v96                                ; 5672c15b
	v_fmac_f32_e32 v56, v91, v97                                ; 5670c35b
	v_fmac_f32_e32 v55, v91, v98                                ; 566ec55b
	v_fmac_f32_e32 v54, v91, v99                                ; 566cc75b
	v_fmac_f32_e32 v61, v95, v96                                ; 567ac15f
	v_fmac_f32_e32 v60, v95, v97                                ; 5678c35f
	v_fmac_f32_e32 v59, v95, v98                                ; 5676c55f
	v_fmac_f32_e32 v58, v95, v99                                ; 5674c75f
	ds_read_b128 v[8:11], v62 offset:32                         ; dbfc0020 0800003e
	ds_read_b128 v[12:15], v62 offset:672                       ; dbfc02a0 0c00003e
	ds_read_b128 v[16:19], v62 offset:1312                      ; dbfc0520 1000003e
	ds_read_b128 v[20:23], v62 offset:1952                      ; dbfc07a0 1400003e
	ds_read_b128 v[24:27], v62 offset:2592                      ; dbfc0a20 1800003e
	ds_read_b128 v[28:31], v62 offset:3232                      ; dbfc0ca0 1c00003e
	ds_read_b128 v[88:91], v62 offset:3872                      ; dbfc0f20 5800003e
	ds_read_b128 v[92:95], v62 offset:4512                      ; dbfc11a0 5c00003e
	ds_read_b128 v[96:99], v63 offset:6128                      ; dbfc17f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v8, v96                                 ; 5642c108
	v_fmac_f32_e32 v32, v8, v97                                 ; 5640c308
	v_fmac_f32_e32 v7, v8, v98                                  ; 560ec508
	v_fmac_f32_e32 v6, v8, v99                                  ; 560cc708
	v_fmac_f32_e32 v37, v12, v96                                ; 564ac10c
	v_fmac_f32_e32 v36, v12, v97                                ; 5648c30c
	v_fmac_f32_e32 v35, v12, v98                                ; 5646c50c
	v_fmac_f32_e32 v34, v12, v99                                ; 5644c70c
	v_fmac_f32_e32 v41, v16, v96                                ; 5652c110
	v_fmac_f32_e32 v40, v16, v97                                ; 5650c310
	v_fmac_f32_e32 v39, v16, v98                                ; 564ec510
	v_fmac_f32_e32 v38, v16, v99                                ; 564cc710
	v_fmac_f32_e32 v45, v20, v96                                ; 565ac114
	v_fmac_f32_e32 v44, v20, v97                                ; 5658c314
	v_fmac_f32_e32 v43, v20, v98                                ; 5656c514
	v_fmac_f32_e32 v42, v20, v99                                ; 5654c714
	v_fmac_f32_e32 v49, v24, v96                                ; 5662c118
	v_fmac_f32_e32 v48, v24, v97                                ; 5660c318
	v_fmac_f32_e32 v47, v24, v98                                ; 565ec518
	v_fmac_f32_e32 v46, v24, v99                                ; 565cc718
	v_fmac_f32_e32 v53, v28, v96                                ; 566ac11c
	v_fmac_f32_e32 v52, v28, v97                                ; 5668c31c
	v_fmac_f32_e32 v51, v28, v98                                ; 5666c51c
	v_fmac_f32_e32 v50, v28, v99                                ; 5664c71c
	v_fmac_f32_e32 v57, v88, v96                                ; 5672c158
	v_fmac_f32_e32 v56, v88, v97                                ; 5670c358
	v_fmac_f32_e32 v55, v88, v98                                ; 566ec558
	v_fmac_f32_e32 v54, v88, v99                                ; 566cc758
	v_fmac_f32_e32 v61, v92, v96                                ; 567ac15c
	v_fmac_f32_e32 v60, v92, v97                                ; 5678c35c
	v_fmac_f32_e32 v59, v92, v98                                ; 5676c55c
	v_fmac_f32_e32 v58, v92, v99                                ; 5674c75c
	ds_read_b128 v[96:99], v63 offset:6256                      ; dbfc1870 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v9, v96                                 ; 5642c109
	v_fmac_f32_e32 v32, v9, v97                                 ; 5640c309
	v_fmac_f32_e32 v7, v9, v98                                  ; 560ec509
	v_fmac_f32_e32 v6, v9, v99                                  ; 560cc709
	v_fmac_f32_e32 v37, v13, v96                                ; 564ac10d
	v_fmac_f32_e32 v36, v13, v97                                ; 5648c30d
	v_fmac_f32_e32 v35, v13, v98                                ; 5646c50d
	v_fmac_f32_e32 v34, v13, v99                                ; 5644c70d
	v_fmac_f32_e32 v41, v17, v96                                ; 5652c111
	v_fmac_f32_e32 v40, v17, v97                                ; 5650c311
	v_fmac_f32_e32 v39, v17, v98                                ; 564ec511
	v_fmac_f32_e32 v38, v17, v99                                ; 564cc711
	v_fmac_f32_e32 v45, v21, v96                                ; 565ac115
	v_fmac_f32_e32 v44, v21, v97                                ; 5658c315
	v_fmac_f32_e32 v43, v21, v98                                ; 5656c515
	v_fmac_f32_e32 v42, v21, v99                                ; 5654c715
	v_fmac_f32_e32 v49, v25, v96                                ; 5662c119
	v_fmac_f32_e32 v48, v25, v97                                ; 5660c319
	v_fmac_f32_e32 v47, v25, v98                                ; 565ec519
	v_fmac_f32_e32 v46, v25, v99                                ; 565cc719
	v_fmac_f32_e32 v53, v29, v96                                ; 566ac11d
	v_fmac_f32_e32 v52, v29, v97                                ; 5668c31d
	v_fmac_f32_e32 v51, v29, v98                                ; 5666c51d
	v_fmac_f32_e32 v50, v29, v99                                ; 5664c71d
	v_fmac_f32_e32 v57, v89, v96                                ; 5672c159
	v_fmac_f32_e32 v56, v89, v97                                ; 5670c359
	v_fmac_f32_e32 v55, v89, v98                                ; 566ec559
	v_fmac_f32_e32 v54, v89, v99                                ; 566cc759
	v_fmac_f32_e32 v61, v93, v96                                ; 567ac15d
	v_fmac_f32_e32 v60, v93, v97                                ; 5678c35d
	v_fmac_f32_e32 v59, v93, v98                                ; 5676c55d
	v_fmac_f32_e32 v58, v93, v99                                ; 5674c75d
	ds_read_b128 v[96:99], v63 offset:6384                      ; dbfc18f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v10, v96                                ; 5642c10a
	v_fmac_f32_e32 v32, v10, v97                                ; 5640c30a
	v_fmac_f32_e32 v7, v10, v98                                 ; 560ec50a
	v_fmac_f32_e32 v6, v10, v99                                 ; 560cc70a
	v_fmac_f32_e32 v37, v14, v96                                ; 564ac10e
	v_fmac_f32_e32 v36, v14, v97                                ; 5648c30e
	v_fmac_f32_e32 v35, v14, v98                                ; 5646c50e
	v_fmac_f32_e32 v34, v14, v99                                ; 5644c70e
	v_fmac_f32_e32 v41, v18, v96                                ; 5652c112
	v_fmac_f32_e32 v40, v18, v97                                ; 5650c312
	v_fmac_f32_e32 v39, v18, v98                                ; 564ec512
	v_fmac_f32_e32 v38, v18, v99                                ; 564cc712
	v_fmac_f32_e32 v45, v22, v96                                ; 565ac116
	v_fmac_f32_e32 v44, v22, v97                                ; 5658c316
	v_fmac_f32_e32 v43, v22, v98                                ; 5656c516
	v_fmac_f32_e32 v42, v22, v99                                ; 5654c716
	v_fmac_f32_e32 v49, v26, v96                                ; 5662c11a
	v_fmac_f32_e32 v48, v26, v97                                ; 5660c31a
	v_fmac_f32_e32 v47, v26, v98                                ; 565ec51a
	v_fmac_f32_e32 v46, v26, v99                                ; 565cc71a
	v_fmac_f32_e32 v53, v30, v96                                ; 566ac11e
	v_fmac_f32_e32 v52, v30, v97                                ; 5668c31e
	v_fmac_f32_e32 v51, v30, v98                                ; 5666c51e
	v_fmac_f32_e32 v50, v30, v99                                ; 5664c71e
	v_fmac_f32_e32 v57, v90, v96                                ; 5672c15a
	v_fmac_f32_e32 v56, v90, v97                                ; 5670c35a
	v_fmac_f32_e32 v55, v90, v98                                ; 566ec55a
	v_fmac_f32_e32 v54, v90, v99                                ; 566cc75a
	v_fmac_f32_e32 v61, v94, v96                                ; 567ac15e
	v_fmac_f32_e32 v60, v94, v97                                ; 5678c35e
	v_fmac_f32_e32 v59, v94, v98                                ; 5676c55e
	v_fmac_f32_e32 v58, v94, v99                                ; 5674c75e
	ds_read_b128 v[96:99], v63 offset:6512                      ; dbfc1970 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v11, v96                                ; 5642c10b
	v_fmac_f32_e32 v32, v11, v97                                ; 5640c30b
	v_fmac_f32_e32 v7, v11, v98                                 ; 560ec50b
	v_fmac_f32_e32 v6, v11, v99                                 ; 560cc70b
	v_fmac_f32_e32 v37, v15, v96                                ; 564ac10f
	v_fmac_f32_e32 v36, v15, v97                                ; 5648c30f
	v_fmac_f32_e32 v35, v15, v98                                ; 5646c50f
	v_fmac_f32_e32 v34, v15, v99                                ; 5644c70f
	v_fmac_f32_e32 v41, v19, v96                                ; 5652c113
	v_fmac_f32_e32 v40, v19, v97                                ; 5650c313
	v_fmac_f32_e32 v39, v19, v98                                ; 564ec513
	v_fmac_f32_e32 v38, v19, v99                                ; 564cc713
	v_fmac_f32_e32 v45, v23, v96                                ; 565ac117
	v_fmac_f32_e32 v44, v23, v97                                ; 5658c317
	v_fmac_f32_e32 v43, v23, v98                                ; 5656c517
	v_fmac_f32_e32 v42, v23, v99                                ; 5654c717
	v_fmac_f32_e32 v49, v27, v96                                ; 5662c11b
	v_fmac_f32_e32 v48, v27, v97                                ; 5660c31b
	v_fmac_f32_e32 v47, v27, v98                                ; 565ec51b
	v_fmac_f32_e32 v46, v27, v99                                ; 565cc71b
	v_fmac_f32_e32 v53, v31, v96                                ; 566ac11f
	v_fmac_f32_e32 v52, v31, v97                                ; 5668c31f
	v_fmac_f32_e32 v51, v31, v98                                ; 5666c51f
	v_fmac_f32_e32 v50, v31, v99                                ; 5664c71f
	v_fmac_f32_e32 v57, v91, v96                                ; 5672c15b
	v_fmac_f32_e32 v56, v91, v97                                ; 5670c35b
	v_fmac_f32_e32 v55, v91, v98                                ; 566ec55b
	v_fmac_f32_e32 v54, v91, v99                                ; 566cc75b
	v_fmac_f32_e32 v61, v95, v96                                ; 567ac15f
	v_fmac_f32_e32 v60, v95, v97                                ; 5678c35f
	v_fmac_f32_e32 v59, v95, v98                                ; 5676c55f
	v_fmac_f32_e32 v58, v95, v99                                ; 5674c75f
	ds_read_b128 v[8:11], v62 offset:48                         ; dbfc0030 0800003e
	ds_read_b128 v[12:15], v62 offset:688                       ; dbfc02b0 0c00003e
	ds_read_b128 v[16:19], v62 offset:1328                      ; dbfc0530 1000003e
	ds_read_b128 v[20:23], v62 offset:1968                      ; dbfc07b0 1400003e
	ds_read_b128 v[24:27], v62 offset:2608                      ; dbfc0a30 1800003e
	ds_read_b128 v[28:31], v62 offset:3248                      ; dbfc0cb0 1c00003e
	ds_read_b128 v[88:91], v62 offset:3888                      ; dbfc0f30 5800003e
	ds_read_b128 v[92:95], v62 offset:4528                      ; dbfc11b0 5c00003e
	ds_read_b128 v[96:99], v63 offset:6640                      ; dbfc19f0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v8, v96                                 ; 5642c108
	v_fmac_f32_e32 v32, v8, v97                                 ; 5640c308
	v_fmac_f32_e32 v7, v8, v98                                  ; 560ec508
	v_fmac_f32_e32 v6, v8, v99                                  ; 560cc708
	v_fmac_f32_e32 v37, v12, v96                                ; 564ac10c
	v_fmac_f32_e32 v36, v12, v97                                ; 5648c30c
	v_fmac_f32_e32 v35, v12, v98                                ; 5646c50c
	v_fmac_f32_e32 v34, v12, v99                                ; 5644c70c
	v_fmac_f32_e32 v41, v16, v96                                ; 5652c110
	v_fmac_f32_e32 v40, v16, v97                                ; 5650c310
	v_fmac_f32_e32 v39, v16, v98                                ; 564ec510
	v_fmac_f32_e32 v38, v16, v99                                ; 564cc710
	v_fmac_f32_e32 v45, v20, v96                                ; 565ac114
	v_fmac_f32_e32 v44, v20, v97                                ; 5658c314
	v_fmac_f32_e32 v43, v20, v98                                ; 5656c514
	v_fmac_f32_e32 v42, v20, v99                                ; 5654c714
	v_fmac_f32_e32 v49, v24, v96                                ; 5662c118
	v_fmac_f32_e32 v48, v24, v97                                ; 5660c318
	v_fmac_f32_e32 v47, v24, v98                                ; 565ec518
	v_fmac_f32_e32 v46, v24, v99                                ; 565cc718
	v_fmac_f32_e32 v53, v28, v96                                ; 566ac11c
	v_fmac_f32_e32 v52, v28, v97                                ; 5668c31c
	v_fmac_f32_e32 v51, v28, v98                                ; 5666c51c
	v_fmac_f32_e32 v50, v28, v99                                ; 5664c71c
	v_fmac_f32_e32 v57, v88, v96                                ; 5672c158
	v_fmac_f32_e32 v56, v88, v97                                ; 5670c358
	v_fmac_f32_e32 v55, v88, v98                                ; 566ec558
	v_fmac_f32_e32 v54, v88, v99                                ; 566cc758
	v_fmac_f32_e32 v61, v92, v96                                ; 567ac15c
	v_fmac_f32_e32 v60, v92, v97                                ; 5678c35c
	v_fmac_f32_e32 v59, v92, v98                                ; 5676c55c
	v_fmac_f32_e32 v58, v92, v99                                ; 5674c75c
	ds_read_b128 v[96:99], v63 offset:6768                      ; dbfc1a70 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v9, v96                                 ; 5642c109
	v_fmac_f32_e32 v32, v9, v97                                 ; 5640c309
	v_fmac_f32_e32 v7, v9, v98                                  ; 560ec509
	v_fmac_f32_e32 v6, v9, v99                                  ; 560cc709
	v_fmac_f32_e32 v37, v13, v96                                ; 564ac10d
	v_fmac_f32_e32 v36, v13, v97                                ; 5648c30d
	v_fmac_f32_e32 v35, v13, v98                                ; 5646c50d
	v_fmac_f32_e32 v34, v13, v99                                ; 5644c70d
	v_fmac_f32_e32 v41, v17, v96                                ; 5652c111
	v_fmac_f32_e32 v40, v17, v97                                ; 5650c311
	v_fmac_f32_e32 v39, v17, v98                                ; 564ec511
	v_fmac_f32_e32 v38, v17, v99                                ; 564cc711
	v_fmac_f32_e32 v45, v21, v96                                ; 565ac115
	v_fmac_f32_e32 v44, v21, v97                                ; 5658c315
	v_fmac_f32_e32 v43, v21, v98                                ; 5656c515
	v_fmac_f32_e32 v42, v21, v99                                ; 5654c715
	v_fmac_f32_e32 v49, v25, v96                                ; 5662c119
	v_fmac_f32_e32 v48, v25, v97                                ; 5660c319
	v_fmac_f32_e32 v47, v25, v98                                ; 565ec519
	v_fmac_f32_e32 v46, v25, v99                                ; 565cc719
	v_fmac_f32_e32 v53, v29, v96                                ; 566ac11d
	v_fmac_f32_e32 v52, v29, v97                                ; 5668c31d
	v_fmac_f32_e32 v51, v29, v98                                ; 5666c51d
	v_fmac_f32_e32 v50, v29, v99                                ; 5664c71d
	v_fmac_f32_e32 v57, v89, v96                                ; 5672c159
	v_fmac_f32_e32 v56, v89, v97                                ; 5670c359
	v_fmac_f32_e32 v55, v89, v98                                ; 566ec559
	v_fmac_f32_e32 v54, v89, v99                                ; 566cc759
	v_fmac_f32_e32 v61, v93, v96                                ; 567ac15d
	v_fmac_f32_e32 v60, v93, v97                                ; 5678c35d
	v_fmac_f32_e32 v59, v93, v98                                ; 5676c55d
	v_fmac_f32_e32 v58, v93, v99                                ; 5674c75d
	ds_read_b128 v[96:99], v63 offset:6896                      ; dbfc1af0 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v10, v96                                ; 5642c10a
	v_fmac_f32_e32 v32, v10, v97                                ; 5640c30a
	v_fmac_f32_e32 v7, v10, v98                                 ; 560ec50a
	v_fmac_f32_e32 v6, v10, v99                                 ; 560cc70a
	v_fmac_f32_e32 v37, v14, v96                                ; 564ac10e
	v_fmac_f32_e32 v36, v14, v97                                ; 5648c30e
	v_fmac_f32_e32 v35, v14, v98                                ; 5646c50e
	v_fmac_f32_e32 v34, v14, v99                                ; 5644c70e
	v_fmac_f32_e32 v41, v18, v96                                ; 5652c112
	v_fmac_f32_e32 v40, v18, v97                                ; 5650c312
	v_fmac_f32_e32 v39, v18, v98                                ; 564ec512
	v_fmac_f32_e32 v38, v18, v99                                ; 564cc712
	v_fmac_f32_e32 v45, v22, v96                                ; 565ac116
	v_fmac_f32_e32 v44, v22, v97                                ; 5658c316
	v_fmac_f32_e32 v43, v22, v98                                ; 5656c516
	v_fmac_f32_e32 v42, v22, v99                                ; 5654c716
	v_fmac_f32_e32 v49, v26, v96                                ; 5662c11a
	v_fmac_f32_e32 v48, v26, v97                                ; 5660c31a
	v_fmac_f32_e32 v47, v26, v98                                ; 565ec51a
	v_fmac_f32_e32 v46, v26, v99                                ; 565cc71a
	v_fmac_f32_e32 v53, v30, v96                                ; 566ac11e
	v_fmac_f32_e32 v52, v30, v97                                ; 5668c31e
	v_fmac_f32_e32 v51, v30, v98                                ; 5666c51e
	v_fmac_f32_e32 v50, v30, v99                                ; 5664c71e
	v_fmac_f32_e32 v57, v90, v96                                ; 5672c15a
	v_fmac_f32_e32 v56, v90, v97                                ; 5670c35a
	v_fmac_f32_e32 v55, v90, v98                                ; 566ec55a
	v_fmac_f32_e32 v54, v90, v99                                ; 566cc75a
	v_fmac_f32_e32 v61, v94, v96                                ; 567ac15e
	v_fmac_f32_e32 v60, v94, v97                                ; 5678c35e
	v_fmac_f32_e32 v59, v94, v98                                ; 5676c55e
	v_fmac_f32_e32 v58, v94, v99                                ; 5674c75e
	ds_read_b128 v[96:99], v63 offset:7024                      ; dbfc1b70 6000003f
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	v_fmac_f32_e32 v33, v11, v96                                ; 5642c10b
	v_fmac_f32_e32 v32, v11, v97                                ; 5640c30b
	v_fmac_f32_e32 v7, v11, v98                                 ; 560ec50b
	v_fmac_f32_e32 v6, v11, v99                                 ; 560cc70b
	v_fmac_f32_e32 v37, v15, v96                                ; 564ac10f
	v_fmac_f32_e32 v36, v15, v97                                ; 5648c30f
	v_fmac_f32_e32 v35, v15, v98                                ; 5646c50f
	v_fmac_f32_e32 v34, v15, v99                                ; 5644c70f
	v_fmac_f32_e32 v41, v19, v96                                ; 5652c113
	v_fmac_f32_e32 v40, v19, v97                                ; 5650c313
	v_fmac_f32_e32 v39, v19, v98                                ; 564ec513
	v_fmac_f32_e32 v38, v19, v99                                ; 564cc713
	v_fmac_f32_e32 v45, v23, v96                                ; 565ac117
	v_fmac_f32_e32 v44, v23, v97                                ; 5658c317
	v_fmac_f32_e32 v43, v23, v98                                ; 5656c517
	v_fmac_f32_e32 v42, v23, v99                                ; 5654c717
	v_fmac_f32_e32 v49, v27, v96                                ; 5662c11b
	v_fmac_f32_e32 v48, v27, v97                                ; 5660c31b
	v_fmac_f32_e32 v47, v27, v98                                ; 565ec51b
	v_fmac_f32_e32 v46, v27, v99                                ; 565cc71b
	v_fmac_f32_e32 v53, v31, v96                                ; 566ac11f
	v_fmac_f32_e32 v52, v31, v97                                ; 5668c31f
	v_fmac_f32_e32 v51, v31, v98                                ; 5666c51f
	v_fmac_f32_e32 v50, v31, v99                                ; 5664c71f
	v_fmac_f32_e32 v57, v91, v96                                ; 5672c15b
	v_fmac_f32_e32 v56, v91, v97                                ; 5670c35b
	v_fmac_f32_e32 v55, v91, v98                                ; 566ec55b
	v_fmac_f32_e32 v54, v91, v99                                ; 566cc75b
	v_fmac_f32_e32 v61, v95, v96                                ; 567ac15f
	v_fmac_f32_e32 v60, v95, v97                                ; 5678c35f
	v_fmac_f32_e32 v59, v95, v98                                ; 5676c55f
	v_fmac_f32_e32 v58, v95, v99                                ; 5674c75f
	s_waitcnt vmcnt(5)                                          ; bf8c3f75
	v_lshrrev_b64 v[8:9], 0, v[68:69]                           ; d7000008 00028880
	v_lshrrev_b64 v[10:11], 0, v[70:71]                         ; d700000a 00028c80
	s_waitcnt vmcnt(4)                                          ; bf8c3f74
	v_lshrrev_b64 v[12:13], 0, v[72:73]                         ; d700000c 00029080
	v_lshrrev_b64 v[14:15], 0, v[74:75]                         ; d700000e 00029480
	s_waitcnt vmcnt(3)                                          ; bf8c3f73
	v_lshrrev_b64 v[16:17], 0, v[64:65]                         ; d7000010 00028080
	v_lshrrev_b64 v[18:19], 0, v[66:67]                         ; d7000012 00028480
	s_waitcnt vmcnt(2)                                          ; bf8c3f72
	v_lshrrev_b64 v[20:21], 0, v[76:77]                         ; d7000014 00029880
	v_lshrrev_b64 v[22:23], 0, v[78:79]                         ; d7000016 00029c80
	s_waitcnt vmcnt(1)                                          ; bf8c3f71
	v_lshrrev_b64 v[24:25], 0, v[80:81]                         ; d7000018 0002a080
	v_lshrrev_b64 v[26:27], 0, v[82:83]                         ; d700001a 0002a480
	s_waitcnt vmcnt(0)                                          ; bf8c3f70
	v_lshrrev_b64 v[28:29], 0, v[84:85]                         ; d700001c 0002a880
	v_lshrrev_b64 v[30:31], 0, v[86:87]                         ; d700001e 0002ac80
	s_branch BB12                                               ; bf82fd34
BB16:
	s_clause 0x1                                                ; bfa10001
	s_load_dwordx4 s[8:11], s[2:3], 0x20                        ; f4080201 fa000020
	s_load_dwordx4 s[12:15], s[2:3], 0x30                       ; f4080301 fa000030
	v_add_lshl_u32 v4, s0, v0, 4                                ; d7470004 02120000
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	buffer_load_dwordx4 v[8:11], v4, s[8:11], 0 offen           ; e0381000 80020804
	s_mov_b32 s8, 0x3f3504f3                                    ; be8803ff 3f3504f3
	s_mov_b32 s9, 0xc079999a                                    ; be8903ff c079999a
	s_mov_b32 s10, 0x4079999a                                   ; be8a03ff 4079999a
	s_mov_b32 s11, 0x32acd2d7                                   ; be8b03ff 32acd2d7
	s_mov_b32 s6, 0x3a83e819                                    ; be8603ff 3a83e819
	v_mov_b32_e32 v4, 0xff800000                                ; 7e0802ff ff800000
	v_mov_b32_e32 v1, 0x7f800000                                ; 7e0202ff 7f800000
	s_mul_i32 s7, s7, 0xc000                                    ; 9307ff07 0000c000
	v_add3_u32 v5, s0, s7, v5                                   ; d76d0005 04140e00
	v_add_lshl_u32 v0, v5, v0, 4                                ; d7470000 02120105
	v_add_nc_u32_e32 v5, s1, v0                                 ; 4a0a0001
	v_add_nc_u32_e32 v2, 0x30000, v0                            ; 4a0400ff 00030000
	v_add_nc_u32_e32 v3, 0x48000, v0                            ; 4a0600ff 00048000
	s_waitcnt vmcnt(5)                                          ; bf8c3f75
	v_add_nc_u32_e32 v12, 0x60000, v0                           ; 4a1800ff 00060000
	v_add_nc_u32_e32 v13, 0x78000, v0                           ; 4a1a00ff 00078000
	v_add_nc_u32_e32 v14, 0x90000, v0                           ; 4a1c00ff 00090000
	s_waitcnt vmcnt(0)                                          ; bf8c3f70
	v_add_f32_e32 v33, v33, v8                                  ; 06421121
	v_add_f32_e32 v15, v32, v9                                  ; 061e1320
	v_add_f32_e32 v7, v7, v10                                   ; 060e1507
	v_add_f32_e32 v6, v6, v11                                   ; 060c1706
	v_mul_f32_e32 v32, s8, v33                                  ; 10404208
	v_mul_f32_e32 v16, s8, v15                                  ; 10201e08
	v_mul_f32_e32 v17, s8, v7                                   ; 10220e08
	v_mul_f32_e32 v18, s8, v6                                   ; 10240c08
	v_med3_f32 v19, s10, s9, v32                                ; d5570013 0480120a
	v_med3_f32 v20, s10, s9, v16                                ; d5570014 0440120a
	v_med3_f32 v21, s10, s9, v17                                ; d5570015 0444120a
	v_med3_f32 v22, s10, s9, v18                                ; d5570016 0448120a
	v_mul_f32_e32 v23, v19, v19                                 ; 102e2713
	v_mul_f32_e32 v24, v20, v20                                 ; 10302914
	v_mul_f32_e32 v25, v21, v21                                 ; 10322b15
	v_mul_f32_e32 v26, v22, v22                                 ; 10342d16
	v_mul_f32_e32 v33, 0.5, v33                                 ; 104242f0
	v_mul_f32_e32 v15, 0.5, v15                                 ; 101e1ef0
	v_mul_f32_e32 v7, 0.5, v7                                   ; 100e0ef0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v27, s11, v23, 0xb606017a                       ; 5a362e0b b606017a
	v_fmaak_f32 v28, s11, v24, 0xb606017a                       ; 5a38300b b606017a
	v_fmaak_f32 v29, s11, v25, 0xb606017a                       ; 5a3a320b b606017a
	v_fmaak_f32 v30, s11, v26, 0xb606017a                       ; 5a3c340b b606017a
	v_fmaak_f32 v27, v27, v23, 0x391a9d34                       ; 5a362f1b 391a9d34
	v_fmaak_f32 v28, v28, v24, 0x391a9d34                       ; 5a38311c 391a9d34
	v_fmaak_f32 v29, v29, v25, 0x391a9d34                       ; 5a3a331d 391a9d34
	v_fmaak_f32 v30, v30, v26, 0x391a9d34                       ; 5a3c351e 391a9d34
	v_fmaak_f32 v27, v27, v23, 0x3b7f4888                       ; 5a362f1b 3b7f4888
	v_fmaak_f32 v28, v28, v24, 0x3b7f4888                       ; 5a38311c 3b7f4888
	v_fmaak_f32 v29, v29, v25, 0x3b7f4888                       ; 5a3a331d 3b7f4888
	v_fmaak_f32 v30, v30, v26, 0x3b7f4888                       ; 5a3c351e 3b7f4888
	v_fmaak_f32 v27, v27, v23, 0x3d517e5e                       ; 5a362f1b 3d517e5e
	v_fmaak_f32 v28, v28, v24, 0x3d517e5e                       ; 5a38311c 3d517e5e
	v_fmaak_f32 v29, v29, v25, 0x3d517e5e                       ; 5a3a331d 3d517e5e
	v_fmaak_f32 v30, v30, v26, 0x3d517e5e                       ; 5a3c351e 3d517e5e
	v_fmaak_f32 v27, v27, v23, 0x3e511a64                       ; 5a362f1b 3e511a64
	v_fmaak_f32 v28, v28, v24, 0x3e511a64                       ; 5a38311c 3e511a64
	v_fmaak_f32 v29, v29, v25, 0x3e511a64                       ; 5a3a331d 3e511a64
	v_fmaak_f32 v30, v30, v26, 0x3e511a64                       ; 5a3c351e 3e511a64
	v_fmaak_f32 v27, v27, v23, 0x3f906eb9                       ; 5a362f1b 3f906eb9
	v_fmaak_f32 v28, v28, v24, 0x3f906eb9                       ; 5a38311c 3f906eb9
	v_fmaak_f32 v29, v29, v25, 0x3f906eb9                       ; 5a3a331d 3f906eb9
	v_fmaak_f32 v30, v30, v26, 0x3f906eb9                       ; 5a3c351e 3f906eb9
	v_mul_f32_e32 v19, v19, v27                                 ; 10263713
	v_mul_f32_e32 v20, v20, v28                                 ; 10283914
	v_mul_f32_e32 v21, v21, v29                                 ; 102a3b15
	v_mul_f32_e32 v22, v22, v30                                 ; 102c3d16
	v_fmaak_f32 v27, s6, v23, 0x3c715005                        ; 5a362e06 3c715005
	v_fmaak_f32 v28, s6, v24, 0x3c715005                        ; 5a383006 3c715005
	v_fmaak_f32 v29, s6, v25, 0x3c715005                        ; 5a3a3206 3c715005
	v_fmaak_f32 v30, s6, v26, 0x3c715005                        ; 5a3c3406 3c715005
	v_fmaak_f32 v27, v27, v23, 0x3def2851                       ; 5a362f1b 3def2851
	v_fmaak_f32 v28, v28, v24, 0x3def2851                       ; 5a38311c 3def2851
	v_fmaak_f32 v29, v29, v25, 0x3def2851                       ; 5a3a331d 3def2851
	v_fmaak_f32 v30, v30, v26, 0x3def2851                       ; 5a3c351e 3def2851
	v_fmaak_f32 v27, v27, v23, 0x3f03a911                       ; 5a362f1b 3f03a911
	v_fmaak_f32 v28, v28, v24, 0x3f03a911                       ; 5a38311c 3f03a911
	v_fmaak_f32 v29, v29, v25, 0x3f03a911                       ; 5a3a331d 3f03a911
	v_fmaak_f32 v30, v30, v26, 0x3f03a911                       ; 5a3c351e 3f03a911
	v_fma_f32 v23, v27, v23, 1.0                                ; d54b0017 03ca2f1b
	v_fma_f32 v24, v28, v24, 1.0                                ; d54b0018 03ca311c
	v_fma_f32 v25, v29, v25, 1.0                                ; d54b0019 03ca331d
	v_fma_f32 v26, v30, v26, 1.0                                ; d54b001a 03ca351e
	v_rcp_f32_e32 v23, v23                                      ; 7e2e5517
	v_mul_f32_e32 v19, v19, v23                                 ; 10262f13
	v_rcp_f32_e32 v23, v24                                      ; 7e2e5518
	v_mul_f32_e32 v20, v20, v23                                 ; 10282f14
	v_rcp_f32_e32 v23, v25                                      ; 7e2e5519
	v_mul_f32_e32 v21, v21, v23                                 ; 102a2f15
	v_rcp_f32_e32 v23, v26                                      ; 7e2e551a
	v_mul_f32_e32 v22, v22, v23                                 ; 102c2f16
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v20, 1.0, -1.0, v20                              ; d5570014 0451e6f2
	v_med3_f32 v21, 1.0, -1.0, v21                              ; d5570015 0455e6f2
	v_med3_f32 v22, 1.0, -1.0, v22                              ; d5570016 0459e6f2
	v_cmp_gt_i32_e32 vcc, 0, v32                                ; 7d084080
	v_cndmask_b32_e32 v23, v1, v4, vcc                          ; 022e0901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v24, v1, v4, vcc                          ; 02300901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v25, v1, v4, vcc                          ; 02320901
	v_cmp_gt_i32_e32 vcc, 0, v18                                ; 7d082480
	v_cndmask_b32_e32 v26, v1, v4, vcc                          ; 02340901
	v_cmp_lt_i32_e32 vcc, v23, v32                              ; 7d024117
	v_cndmask_b32_e32 v19, v19, v32, vcc                        ; 02264113
	v_cmp_lt_i32_e32 vcc, v24, v16                              ; 7d022118
	v_cndmask_b32_e32 v16, v20, v16, vcc                        ; 02202114
	v_cmp_lt_i32_e32 vcc, v25, v17                              ; 7d022319
	v_cndmask_b32_e32 v17, v21, v17, vcc                        ; 02222315
	v_cmp_lt_i32_e32 vcc, v26, v18                              ; 7d02251a
	v_cndmask_b32_e32 v18, v22, v18, vcc                        ; 02242516
	v_add_f32_e32 v32, 1.0, v19                                 ; 064026f2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_add_f32_e32 v18, 1.0, v18                                 ; 062424f2
	v_mul_f32_e32 v20, v33, v32                                 ; 10284121
	v_mul_f32_e32 v21, v15, v16                                 ; 102a210f
	v_mul_f32_e32 v22, v7, v17                                  ; 102c2307
	v_mul_f32_e32 v23, v6, v18                                  ; 102e2506
	v_add_f32_e32 v37, v37, v8                                  ; 064a1125
	v_add_f32_e32 v36, v36, v9                                  ; 06481324
	v_add_f32_e32 v35, v35, v10                                 ; 06461523
	v_add_f32_e32 v6, v34, v11                                  ; 060c1722
	v_mul_f32_e32 v7, s8, v37                                   ; 100e4a08
	v_mul_f32_e32 v15, s8, v36                                  ; 101e4808
	v_mul_f32_e32 v16, s8, v35                                  ; 10204608
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v34, s10, s9, v16                                ; d5570022 0440120a
	v_med3_f32 v24, s10, s9, v17                                ; d5570018 0444120a
	v_mul_f32_e32 v25, v18, v18                                 ; 10322512
	v_mul_f32_e32 v26, v19, v19                                 ; 10342713
	v_mul_f32_e32 v27, v34, v34                                 ; 10364522
	v_mul_f32_e32 v28, v24, v24                                 ; 10383118
	v_mul_f32_e32 v37, 0.5, v37                                 ; 104a4af0
	v_mul_f32_e32 v36, 0.5, v36                                 ; 104848f0
	v_mul_f32_e32 v35, 0.5, v35                                 ; 104646f0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v29, s11, v25, 0xb606017a                       ; 5a3a320b b606017a
	v_fmaak_f32 v30, s11, v26, 0xb606017a                       ; 5a3c340b b606017a
	v_fmaak_f32 v31, s11, v27, 0xb606017a                       ; 5a3e360b b606017a
	v_fmaak_f32 v32, s11, v28, 0xb606017a                       ; 5a40380b b606017a
	v_fmaak_f32 v29, v29, v25, 0x391a9d34                       ; 5a3a331d 391a9d34
	v_fmaak_f32 v30, v30, v26, 0x391a9d34                       ; 5a3c351e 391a9d34
	v_fmaak_f32 v31, v31, v27, 0x391a9d34                       ; 5a3e371f 391a9d34
	v_fmaak_f32 v32, v32, v28, 0x391a9d34                       ; 5a403920 391a9d34
	v_fmaak_f32 v29, v29, v25, 0x3b7f4888                       ; 5a3a331d 3b7f4888
	v_fmaak_f32 v30, v30, v26, 0x3b7f4888                       ; 5a3c351e 3b7f4888
	v_fmaak_f32 v31, v31, v27, 0x3b7f4888                       ; 5a3e371f 3b7f4888
	v_fmaak_f32 v32, v32, v28, 0x3b7f4888                       ; 5a403920 3b7f4888
	v_fmaak_f32 v29, v29, v25, 0x3d517e5e                       ; 5a3a331d 3d517e5e
	v_fmaak_f32 v30, v30, v26, 0x3d517e5e                       ; 5a3c351e 3d517e5e
	v_fmaak_f32 v31, v31, v27, 0x3d517e5e                       ; 5a3e371f 3d517e5e
	v_fmaak_f32 v32, v32, v28, 0x3d517e5e                       ; 5a403920 3d517e5e
	v_fmaak_f32 v29, v29, v25, 0x3e511a64                       ; 5a3a331d 3e511a64
	v_fmaak_f32 v30, v30, v26, 0x3e511a64                       ; 5a3c351e 3e511a64
	v_fmaak_f32 v31, v31, v27, 0x3e511a64                       ; 5a3e371f 3e511a64
	v_fmaak_f32 v32, v32, v28, 0x3e511a64                       ; 5a403920 3e511a64
	v_fmaak_f32 v29, v29, v25, 0x3f906eb9                       ; 5a3a331d 3f906eb9
	v_fmaak_f32 v30, v30, v26, 0x3f906eb9                       ; 5a3c351e 3f906eb9
	v_fmaak_f32 v31, v31, v27, 0x3f906eb9                       ; 5a3e371f 3f906eb9
	v_fmaak_f32 v32, v32, v28, 0x3f906eb9                       ; 5a403920 3f906eb9
	v_mul_f32_e32 v18, v18, v29                                 ; 10243b12
	v_mul_f32_e32 v19, v19, v30                                 ; 10263d13
	v_mul_f32_e32 v33, v34, v31                                 ; 10423f22
	v_mul_f32_e32 v24, v24, v32                                 ; 10304118
	v_fmaak_f32 v34, s6, v25, 0x3c715005                        ; 5a443206 3c715005
	v_fmaak_f32 v32, s6, v26, 0x3c715005                        ; 5a403406 3c715005
	v_fmaak_f32 v29, s6, v27, 0x3c715005                        ; 5a3a3606 3c715005
	v_fmaak_f32 v30, s6, v28, 0x3c715005                        ; 5a3c3806 3c715005
	v_fmaak_f32 v31, v34, v25, 0x3def2851                       ; 5a3e3322 3def2851
	v_fmaak_f32 v32, v32, v26, 0x3def2851                       ; 5a403520 3def2851
	v_fmaak_f32 v29, v29, v27, 0x3def2851                       ; 5a3a371d 3def2851
	v_fmaak_f32 v30, v30, v28, 0x3def2851                       ; 5a3c391e 3def2851
	v_fmaak_f32 v31, v31, v25, 0x3f03a911                       ; 5a3e331f 3f03a911
	v_fmaak_f32 v32, v32, v26, 0x3f03a911                       ; 5a403520 3f03a911
	v_fmaak_f32 v29, v29, v27, 0x3f03a911                       ; 5a3a371d 3f03a911
	v_fmaak_f32 v30, v30, v28, 0x3f03a911                       ; 5a3c391e 3f03a911
	v_fma_f32 v25, v31, v25, 1.0                                ; d54b0019 03ca331f
	v_fma_f32 v26, v32, v26, 1.0                                ; d54b001a 03ca3520
	v_fma_f32 v27, v29, v27, 1.0                                ; d54b001b 03ca371d
	v_fma_f32 v34, v30, v28, 1.0                                ; d54b0022 03ca391e
	v_rcp_f32_e32 v25, v25                                      ; 7e325519
	v_mul_f32_e32 v18, v18, v25                                 ; 10243312
	v_rcp_f32_e32 v25, v26                                      ; 7e32551a
	v_mul_f32_e32 v19, v19, v25                                 ; 10263313
	v_rcp_f32_e32 v32, v27                                      ; 7e40551b
	v_mul_f32_e32 v25, v33, v32                                 ; 10324121
	v_rcp_f32_e32 v34, v34                                      ; 7e445522
	v_mul_f32_e32 v24, v24, v34                                 ; 10304518
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v25, 1.0, -1.0, v25                              ; d5570019 0465e6f2
	v_med3_f32 v24, 1.0, -1.0, v24                              ; d5570018 0461e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v34, v1, v4, vcc                          ; 02440901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v26, v1, v4, vcc                          ; 02340901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v27, v1, v4, vcc                          ; 02360901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v28, v1, v4, vcc                          ; 02380901
	v_cmp_lt_i32_e32 vcc, v34, v7                               ; 7d020f22
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v26, v15                              ; 7d021f1a
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v27, v16                              ; 7d02211b
	v_cndmask_b32_e32 v16, v25, v16, vcc                        ; 02202119
	v_cmp_lt_i32_e32 vcc, v28, v17                              ; 7d02231c
	v_cndmask_b32_e32 v17, v24, v17, vcc                        ; 02222318
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v24, v37, v7                                  ; 10300f25
	v_mul_f32_e32 v25, v36, v15                                 ; 10321f24
	v_mul_f32_e32 v26, v35, v16                                 ; 10342123
	v_mul_f32_e32 v27, v6, v17                                  ; 10362306
	v_add_f32_e32 v41, v41, v8                                  ; 06521129
	v_add_f32_e32 v40, v40, v9                                  ; 06501328
	v_add_f32_e32 v39, v39, v10                                 ; 064e1527
	v_add_f32_e32 v6, v38, v11                                  ; 060c1726
	v_mul_f32_e32 v7, s8, v41                                   ; 100e5208
	v_mul_f32_e32 v15, s8, v40                                  ; 101e5008
	v_mul_f32_e32 v16, s8, v39                                  ; 10204e08
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v38, s10, s9, v16                                ; d5570026 0440120a
	v_med3_f32 v28, s10, s9, v17                                ; d557001c 0444120a
	v_mul_f32_e32 v29, v18, v18                                 ; 103a2512
	v_mul_f32_e32 v30, v19, v19                                 ; 103c2713
	v_mul_f32_e32 v31, v38, v38                                 ; 103e4d26
	v_mul_f32_e32 v32, v28, v28                                 ; 1040391c
	v_mul_f32_e32 v41, 0.5, v41                                 ; 105252f0
	v_mul_f32_e32 v40, 0.5, v40                                 ; 105050f0
	v_mul_f32_e32 v39, 0.5, v39                                 ; 104e4ef0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v33, s11, v29, 0xb606017a                       ; 5a423a0b b606017a
	v_fmaak_f32 v34, s11, v30, 0xb606017a                       ; 5a443c0b b606017a
	v_fmaak_f32 v35, s11, v31, 0xb606017a                       ; 5a463e0b b606017a
	v_fmaak_f32 v36, s11, v32, 0xb606017a                       ; 5a48400b b606017a
	v_fmaak_f32 v33, v33, v29, 0x391a9d34                       ; 5a423b21 391a9d34
	v_fmaak_f32 v34, v34, v30, 0x391a9d34                       ; 5a443d22 391a9d34
	v_fmaak_f32 v35, v35, v31, 0x391a9d34                       ; 5a463f23 391a9d34
	v_fmaak_f32 v36, v36, v32, 0x391a9d34                       ; 5a484124 391a9d34
	v_fmaak_f32 v33, v33, v29, 0x3b7f4888                       ; 5a423b21 3b7f4888
	v_fmaak_f32 v34, v34, v30, 0x3b7f4888                       ; 5a443d22 3b7f4888
	v_fmaak_f32 v35, v35, v31, 0x3b7f4888                       ; 5a463f23 3b7f4888
	v_fmaak_f32 v36, v36, v32, 0x3b7f4888                       ; 5a484124 3b7f4888
	v_fmaak_f32 v33, v33, v29, 0x3d517e5e                       ; 5a423b21 3d517e5e
	v_fmaak_f32 v34, v34, v30, 0x3d517e5e                       ; 5a443d22 3d517e5e
	v_fmaak_f32 v35, v35, v31, 0x3d517e5e                       ; 5a463f23 3d517e5e
	v_fmaak_f32 v36, v36, v32, 0x3d517e5e                       ; 5a484124 3d517e5e
	v_fmaak_f32 v33, v33, v29, 0x3e511a64                       ; 5a423b21 3e511a64
	v_fmaak_f32 v34, v34, v30, 0x3e511a64                       ; 5a443d22 3e511a64
	v_fmaak_f32 v35, v35, v31, 0x3e511a64                       ; 5a463f23 3e511a64
	v_fmaak_f32 v36, v36, v32, 0x3e511a64                       ; 5a484124 3e511a64
	v_fmaak_f32 v33, v33, v29, 0x3f906eb9                       ; 5a423b21 3f906eb9
	v_fmaak_f32 v34, v34, v30, 0x3f906eb9                       ; 5a443d22 3f906eb9
	v_fmaak_f32 v35, v35, v31, 0x3f906eb9                       ; 5a463f23 3f906eb9
	v_fmaak_f32 v36, v36, v32, 0x3f906eb9                       ; 5a484124 3f906eb9
	v_mul_f32_e32 v18, v18, v33                                 ; 10244312
	v_mul_f32_e32 v19, v19, v34                                 ; 10264513
	v_mul_f32_e32 v37, v38, v35                                 ; 104a4726
	v_mul_f32_e32 v28, v28, v36                                 ; 1038491c
	v_fmaak_f32 v38, s6, v29, 0x3c715005                        ; 5a4c3a06 3c715005
	v_fmaak_f32 v36, s6, v30, 0x3c715005                        ; 5a483c06 3c715005
	v_fmaak_f32 v33, s6, v31, 0x3c715005                        ; 5a423e06 3c715005
	v_fmaak_f32 v34, s6, v32, 0x3c715005                        ; 5a444006 3c715005
	v_fmaak_f32 v35, v38, v29, 0x3def2851                       ; 5a463b26 3def2851
	v_fmaak_f32 v36, v36, v30, 0x3def2851                       ; 5a483d24 3def2851
	v_fmaak_f32 v33, v33, v31, 0x3def2851                       ; 5a423f21 3def2851
	v_fmaak_f32 v34, v34, v32, 0x3def2851                       ; 5a444122 3def2851
	v_fmaak_f32 v35, v35, v29, 0x3f03a911                       ; 5a463b23 3f03a911
	v_fmaak_f32 v36, v36, v30, 0x3f03a911                       ; 5a483d24 3f03a911
	v_fmaak_f32 v33, v33, v31, 0x3f03a911                       ; 5a423f21 3f03a911
	v_fmaak_f32 v34, v34, v32, 0x3f03a911                       ; 5a444122 3f03a911
	v_fma_f32 v29, v35, v29, 1.0                                ; d54b001d 03ca3b23
	v_fma_f32 v30, v36, v30, 1.0                                ; d54b001e 03ca3d24
	v_fma_f32 v31, v33, v31, 1.0                                ; d54b001f 03ca3f21
	v_fma_f32 v38, v34, v32, 1.0                                ; d54b0026 03ca4122
	v_rcp_f32_e32 v29, v29                                      ; 7e3a551d
	v_mul_f32_e32 v18, v18, v29                                 ; 10243b12
	v_rcp_f32_e32 v29, v30                                      ; 7e3a551e
	v_mul_f32_e32 v19, v19, v29                                 ; 10263b13
	v_rcp_f32_e32 v36, v31                                      ; 7e48551f
	v_mul_f32_e32 v29, v37, v36                                 ; 103a4925
	v_rcp_f32_e32 v38, v38                                      ; 7e4c5526
	v_mul_f32_e32 v28, v28, v38                                 ; 10384d1c
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v29, 1.0, -1.0, v29                              ; d557001d 0475e6f2
	v_med3_f32 v28, 1.0, -1.0, v28                              ; d557001c 0471e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v38, v1, v4, vcc                          ; 024c0901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v30, v1, v4, vcc                          ; 023c0901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v31, v1, v4, vcc                          ; 023e0901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v32, v1, v4, vcc                          ; 02400901
	v_cmp_lt_i32_e32 vcc, v38, v7                               ; 7d020f26
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v30, v15                              ; 7d021f1e
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v31, v16                              ; 7d02211f
	v_cndmask_b32_e32 v16, v29, v16, vcc                        ; 0220211d
	v_cmp_lt_i32_e32 vcc, v32, v17                              ; 7d022320
	v_cndmask_b32_e32 v17, v28, v17, vcc                        ; 0222231c
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v28, v41, v7                                  ; 10380f29
	v_mul_f32_e32 v29, v40, v15                                 ; 103a1f28
	v_mul_f32_e32 v30, v39, v16                                 ; 103c2127
	v_mul_f32_e32 v31, v6, v17                                  ; 103e2306
	v_add_f32_e32 v45, v45, v8                                  ; 065a112d
	v_add_f32_e32 v44, v44, v9                                  ; 0658132c
	v_add_f32_e32 v43, v43, v10                                 ; 0656152b
	v_add_f32_e32 v6, v42, v11                                  ; 060c172a
	v_mul_f32_e32 v7, s8, v45                                   ; 100e5a08
	v_mul_f32_e32 v15, s8, v44                                  ; 101e5808
	v_mul_f32_e32 v16, s8, v43                                  ; 10205608
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v42, s10, s9, v16                                ; d557002a 0440120a
	v_med3_f32 v32, s10, s9, v17                                ; d5570020 0444120a
	v_mul_f32_e32 v33, v18, v18                                 ; 10422512
	v_mul_f32_e32 v34, v19, v19                                 ; 10442713
	v_mul_f32_e32 v35, v42, v42                                 ; 1046552a
	v_mul_f32_e32 v36, v32, v32                                 ; 10484120
	v_mul_f32_e32 v45, 0.5, v45                                 ; 105a5af0
	v_mul_f32_e32 v44, 0.5, v44                                 ; 105858f0
	v_mul_f32_e32 v43, 0.5, v43                                 ; 105656f0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v37, s11, v33, 0xb606017a                       ; 5a4a420b b606017a
	v_fmaak_f32 v38, s11, v34, 0xb606017a                       ; 5a4c440b b606017a
	v_fmaak_f32 v39, s11, v35, 0xb606017a                       ; 5a4e460b b606017a
	v_fmaak_f32 v40, s11, v36, 0xb606017a                       ; 5a50480b b606017a
	v_fmaak_f32 v37, v37, v33, 0x391a9d34                       ; 5a4a4325 391a9d34
	v_fmaak_f32 v38, v38, v34, 0x391a9d34                       ; 5a4c4526 391a9d34
	v_fmaak_f32 v39, v39, v35, 0x391a9d34                       ; 5a4e4727 391a9d34
	v_fmaak_f32 v40, v40, v36, 0x391a9d34                       ; 5a504928 391a9d34
	v_fmaak_f32 v37, v37, v33, 0x3b7f4888                       ; 5a4a4325 3b7f4888
	v_fmaak_f32 v38, v38, v34, 0x3b7f4888                       ; 5a4c4526 3b7f4888
	v_fmaak_f32 v39, v39, v35, 0x3b7f4888                       ; 5a4e4727 3b7f4888
	v_fmaak_f32 v40, v40, v36, 0x3b7f4888                       ; 5a504928 3b7f4888
	v_fmaak_f32 v37, v37, v33, 0x3d517e5e                       ; 5a4a4325 3d517e5e
	v_fmaak_f32 v38, v38, v34, 0x3d517e5e                       ; 5a4c4526 3d517e5e
	v_fmaak_f32 v39, v39, v35, 0x3d517e5e                       ; 5a4e4727 3d517e5e
	v_fmaak_f32 v40, v40, v36, 0x3d517e5e                       ; 5a504928 3d517e5e
	v_fmaak_f32 v37, v37, v33, 0x3e511a64                       ; 5a4a4325 3e511a64
	v_fmaak_f32 v38, v38, v34, 0x3e511a64                       ; 5a4c4526 3e511a64
	v_fmaak_f32 v39, v39, v35, 0x3e511a64                       ; 5a4e4727 3e511a64
	v_fmaak_f32 v40, v40, v36, 0x3e511a64                       ; 5a504928 3e511a64
	v_fmaak_f32 v37, v37, v33, 0x3f906eb9                       ; 5a4a4325 3f906eb9
	v_fmaak_f32 v38, v38, v34, 0x3f906eb9                       ; 5a4c4526 3f906eb9
	v_fmaak_f32 v39, v39, v35, 0x3f906eb9                       ; 5a4e4727 3f906eb9
	v_fmaak_f32 v40, v40, v36, 0x3f906eb9                       ; 5a504928 3f906eb9
	v_mul_f32_e32 v18, v18, v37                                 ; 10244b12
	v_mul_f32_e32 v19, v19, v38                                 ; 10264d13
	v_mul_f32_e32 v41, v42, v39                                 ; 10524f2a
	v_mul_f32_e32 v32, v32, v40                                 ; 10405120
	v_fmaak_f32 v42, s6, v33, 0x3c715005                        ; 5a544206 3c715005
	v_fmaak_f32 v40, s6, v34, 0x3c715005                        ; 5a504406 3c715005
	v_fmaak_f32 v37, s6, v35, 0x3c715005                        ; 5a4a4606 3c715005
	v_fmaak_f32 v38, s6, v36, 0x3c715005                        ; 5a4c4806 3c715005
	v_fmaak_f32 v39, v42, v33, 0x3def2851                       ; 5a4e432a 3def2851
	v_fmaak_f32 v40, v40, v34, 0x3def2851                       ; 5a504528 3def2851
	v_fmaak_f32 v37, v37, v35, 0x3def2851                       ; 5a4a4725 3def2851
	v_fmaak_f32 v38, v38, v36, 0x3def2851                       ; 5a4c4926 3def2851
	v_fmaak_f32 v39, v39, v33, 0x3f03a911                       ; 5a4e4327 3f03a911
	v_fmaak_f32 v40, v40, v34, 0x3f03a911                       ; 5a504528 3f03a911
	v_fmaak_f32 v37, v37, v35, 0x3f03a911                       ; 5a4a4725 3f03a911
	v_fmaak_f32 v38, v38, v36, 0x3f03a911                       ; 5a4c4926 3f03a911
	v_fma_f32 v33, v39, v33, 1.0                                ; d54b0021 03ca4327
	v_fma_f32 v34, v40, v34, 1.0                                ; d54b0022 03ca4528
	v_fma_f32 v35, v37, v35, 1.0                                ; d54b0023 03ca4725
	v_fma_f32 v42, v38, v36, 1.0                                ; d54b002a 03ca4926
	v_rcp_f32_e32 v33, v33                                      ; 7e425521
	v_mul_f32_e32 v18, v18, v33                                 ; 10244312
	v_rcp_f32_e32 v33, v34                                      ; 7e425522
	v_mul_f32_e32 v19, v19, v33                                 ; 10264313
	v_rcp_f32_e32 v40, v35                                      ; 7e505523
	v_mul_f32_e32 v33, v41, v40                                 ; 10425129
	v_rcp_f32_e32 v42, v42                                      ; 7e54552a
	v_mul_f32_e32 v32, v32, v42                                 ; 10405520
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v33, 1.0, -1.0, v33                              ; d5570021 0485e6f2
	v_med3_f32 v32, 1.0, -1.0, v32                              ; d5570020 0481e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v42, v1, v4, vcc                          ; 02540901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v34, v1, v4, vcc                          ; 02440901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v35, v1, v4, vcc                          ; 02460901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v36, v1, v4, vcc                          ; 02480901
	v_cmp_lt_i32_e32 vcc, v42, v7                               ; 7d020f2a
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v34, v15                              ; 7d021f22
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v35, v16                              ; 7d022123
	v_cndmask_b32_e32 v16, v33, v16, vcc                        ; 02202121
	v_cmp_lt_i32_e32 vcc, v36, v17                              ; 7d022324
	v_cndmask_b32_e32 v17, v32, v17, vcc                        ; 02222320
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v32, v45, v7                                  ; 10400f2d
	v_mul_f32_e32 v33, v44, v15                                 ; 10421f2c
	v_mul_f32_e32 v34, v43, v16                                 ; 1044212b
	v_mul_f32_e32 v35, v6, v17                                  ; 10462306
	v_add_f32_e32 v49, v49, v8                                  ; 06621131
	v_add_f32_e32 v48, v48, v9                                  ; 06601330
	v_add_f32_e32 v47, v47, v10                                 ; 065e152f
	v_add_f32_e32 v6, v46, v11                                  ; 060c172e
	v_mul_f32_e32 v7, s8, v49                                   ; 100e6208
	v_mul_f32_e32 v15, s8, v48                                  ; 101e6008
	v_mul_f32_e32 v16, s8, v47                                  ; 10205e08
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v46, s10, s9, v16                                ; d557002e 0440120a
	v_med3_f32 v36, s10, s9, v17                                ; d5570024 0444120a
	v_mul_f32_e32 v37, v18, v18                                 ; 104a2512
	v_mul_f32_e32 v38, v19, v19                                 ; 104c2713
	v_mul_f32_e32 v39, v46, v46                                 ; 104e5d2e
	v_mul_f32_e32 v40, v36, v36                                 ; 10504924
	v_mul_f32_e32 v49, 0.5, v49                                 ; 106262f0
	v_mul_f32_e32 v48, 0.5, v48                                 ; 106060f0
	v_mul_f32_e32 v47, 0.5, v47                                 ; 105e5ef0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v41, s11, v37, 0xb606017a                       ; 5a524a0b b606017a
	v_fmaak_f32 v42, s11, v38, 0xb606017a                       ; 5a544c0b b606017a
	v_fmaak_f32 v43, s11, v39, 0xb606017a                       ; 5a564e0b b606017a
	v_fmaak_f32 v44, s11, v40, 0xb606017a                       ; 5a58500b b606017a
	v_fmaak_f32 v41, v41, v37, 0x391a9d34                       ; 5a524b29 391a9d34
	v_fmaak_f32 v42, v42, v38, 0x391a9d34                       ; 5a544d2a 391a9d34
	v_fmaak_f32 v43, v43, v39, 0x391a9d34                       ; 5a564f2b 391a9d34
	v_fmaak_f32 v44, v44, v40, 0x391a9d34                       ; 5a58512c 391a9d34
	v_fmaak_f32 v41, v41, v37, 0x3b7f4888                       ; 5a524b29 3b7f4888
	v_fmaak_f32 v42, v42, v38, 0x3b7f4888                       ; 5a544d2a 3b7f4888
	v_fmaak_f32 v43, v43, v39, 0x3b7f4888                       ; 5a564f2b 3b7f4888
	v_fmaak_f32 v44, v44, v40, 0x3b7f4888                       ; 5a58512c 3b7f4888
	v_fmaak_f32 v41, v41, v37, 0x3d517e5e                       ; 5a524b29 3d517e5e
	v_fmaak_f32 v42, v42, v38, 0x3d517e5e                       ; 5a544d2a 3d517e5e
	v_fmaak_f32 v43, v43, v39, 0x3d517e5e                       ; 5a564f2b 3d517e5e
	v_fmaak_f32 v44, v44, v40, 0x3d517e5e                       ; 5a58512c 3d517e5e
	v_fmaak_f32 v41, v41, v37, 0x3e511a64                       ; 5a524b29 3e511a64
	v_fmaak_f32 v42, v42, v38, 0x3e511a64                       ; 5a544d2a 3e511a64
	v_fmaak_f32 v43, v43, v39, 0x3e511a64                       ; 5a564f2b 3e511a64
	v_fmaak_f32 v44, v44, v40, 0x3e511a64                       ; 5a58512c 3e511a64
	v_fmaak_f32 v41, v41, v37, 0x3f906eb9                       ; 5a524b29 3f906eb9
	v_fmaak_f32 v42, v42, v38, 0x3f906eb9                       ; 5a544d2a 3f906eb9
	v_fmaak_f32 v43, v43, v39, 0x3f906eb9                       ; 5a564f2b 3f906eb9
	v_fmaak_f32 v44, v44, v40, 0x3f906eb9                       ; 5a58512c 3f906eb9
	v_mul_f32_e32 v18, v18, v41                                 ; 10245312
	v_mul_f32_e32 v19, v19, v42                                 ; 10265513
	v_mul_f32_e32 v45, v46, v43                                 ; 105a572e
	v_mul_f32_e32 v36, v36, v44                                 ; 10485924
	v_fmaak_f32 v46, s6, v37, 0x3c715005                        ; 5a5c4a06 3c715005
	v_fmaak_f32 v44, s6, v38, 0x3c715005                        ; 5a584c06 3c715005
	v_fmaak_f32 v41, s6, v39, 0x3c715005                        ; 5a524e06 3c715005
	v_fmaak_f32 v42, s6, v40, 0x3c715005                        ; 5a545006 3c715005
	v_fmaak_f32 v43, v46, v37, 0x3def2851                       ; 5a564b2e 3def2851
	v_fmaak_f32 v44, v44, v38, 0x3def2851                       ; 5a584d2c 3def2851
	v_fmaak_f32 v41, v41, v39, 0x3def2851                       ; 5a524f29 3def2851
	v_fmaak_f32 v42, v42, v40, 0x3def2851                       ; 5a54512a 3def2851
	v_fmaak_f32 v43, v43, v37, 0x3f03a911                       ; 5a564b2b 3f03a911
	v_fmaak_f32 v44, v44, v38, 0x3f03a911                       ; 5a584d2c 3f03a911
	v_fmaak_f32 v41, v41, v39, 0x3f03a911                       ; 5a524f29 3f03a911
	v_fmaak_f32 v42, v42, v40, 0x3f03a911                       ; 5a54512a 3f03a911
	v_fma_f32 v37, v43, v37, 1.0                                ; d54b0025 03ca4b2b
	v_fma_f32 v38, v44, v38, 1.0                                ; d54b0026 03ca4d2c
	v_fma_f32 v39, v41, v39, 1.0                                ; d54b0027 03ca4f29
	v_fma_f32 v46, v42, v40, 1.0                                ; d54b002e 03ca512a
	v_rcp_f32_e32 v37, v37                                      ; 7e4a5525
	v_mul_f32_e32 v18, v18, v37                                 ; 10244b12
	v_rcp_f32_e32 v37, v38                                      ; 7e4a5526
	v_mul_f32_e32 v19, v19, v37                                 ; 10264b13
	v_rcp_f32_e32 v44, v39                                      ; 7e585527
	v_mul_f32_e32 v37, v45, v44                                 ; 104a592d
	v_rcp_f32_e32 v46, v46                                      ; 7e5c552e
	v_mul_f32_e32 v36, v36, v46                                 ; 10485d24
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v37, 1.0, -1.0, v37                              ; d5570025 0495e6f2
	v_med3_f32 v36, 1.0, -1.0, v36                              ; d5570024 0491e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v46, v1, v4, vcc                          ; 025c0901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v38, v1, v4, vcc                          ; 024c0901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v39, v1, v4, vcc                          ; 024e0901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v40, v1, v4, vcc                          ; 02500901
	v_cmp_lt_i32_e32 vcc, v46, v7                               ; 7d020f2e
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v38, v15                              ; 7d021f26
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v39, v16                              ; 7d022127
	v_cndmask_b32_e32 v16, v37, v16, vcc                        ; 02202125
	v_cmp_lt_i32_e32 vcc, v40, v17                              ; 7d022328
	v_cndmask_b32_e32 v17, v36, v17, vcc                        ; 02222324
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v36, v49, v7                                  ; 10480f31
	v_mul_f32_e32 v37, v48, v15                                 ; 104a1f30
	v_mul_f32_e32 v38, v47, v16                                 ; 104c212f
	v_mul_f32_e32 v39, v6, v17                                  ; 104e2306
	v_add_f32_e32 v53, v53, v8                                  ; 066a1135
	v_add_f32_e32 v52, v52, v9                                  ; 06681334
	v_add_f32_e32 v51, v51, v10                                 ; 06661533
	v_add_f32_e32 v6, v50, v11                                  ; 060c1732
	v_mul_f32_e32 v7, s8, v53                                   ; 100e6a08
	v_mul_f32_e32 v15, s8, v52                                  ; 101e6808
	v_mul_f32_e32 v16, s8, v51                                  ; 10206608
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v50, s10, s9, v16                                ; d5570032 0440120a
	v_med3_f32 v40, s10, s9, v17                                ; d5570028 0444120a
	v_mul_f32_e32 v41, v18, v18                                 ; 10522512
	v_mul_f32_e32 v42, v19, v19                                 ; 10542713
	v_mul_f32_e32 v43, v50, v50                                 ; 10566532
	v_mul_f32_e32 v44, v40, v40                                 ; 10585128
	v_mul_f32_e32 v53, 0.5, v53                                 ; 106a6af0
	v_mul_f32_e32 v52, 0.5, v52                                 ; 106868f0
	v_mul_f32_e32 v51, 0.5, v51                                 ; 106666f0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v45, s11, v41, 0xb606017a                       ; 5a5a520b b606017a
	v_fmaak_f32 v46, s11, v42, 0xb606017a                       ; 5a5c540b b606017a
	v_fmaak_f32 v47, s11, v43, 0xb606017a                       ; 5a5e560b b606017a
	v_fmaak_f32 v48, s11, v44, 0xb606017a                       ; 5a60580b b606017a
	v_fmaak_f32 v45, v45, v41, 0x391a9d34                       ; 5a5a532d 391a9d34
	v_fmaak_f32 v46, v46, v42, 0x391a9d34                       ; 5a5c552e 391a9d34
	v_fmaak_f32 v47, v47, v43, 0x391a9d34                       ; 5a5e572f 391a9d34
	v_fmaak_f32 v48, v48, v44, 0x391a9d34                       ; 5a605930 391a9d34
	v_fmaak_f32 v45, v45, v41, 0x3b7f4888                       ; 5a5a532d 3b7f4888
	v_fmaak_f32 v46, v46, v42, 0x3b7f4888                       ; 5a5c552e 3b7f4888
	v_fmaak_f32 v47, v47, v43, 0x3b7f4888                       ; 5a5e572f 3b7f4888
	v_fmaak_f32 v48, v48, v44, 0x3b7f4888                       ; 5a605930 3b7f4888
	v_fmaak_f32 v45, v45, v41, 0x3d517e5e                       ; 5a5a532d 3d517e5e
	v_fmaak_f32 v46, v46, v42, 0x3d517e5e                       ; 5a5c552e 3d517e5e
	v_fmaak_f32 v47, v47, v43, 0x3d517e5e                       ; 5a5e572f 3d517e5e
	v_fmaak_f32 v48, v48, v44, 0x3d517e5e                       ; 5a605930 3d517e5e
	v_fmaak_f32 v45, v45, v41, 0x3e511a64                       ; 5a5a532d 3e511a64
	v_fmaak_f32 v46, v46, v42, 0x3e511a64                       ; 5a5c552e 3e511a64
	v_fmaak_f32 v47, v47, v43, 0x3e511a64                       ; 5a5e572f 3e511a64
	v_fmaak_f32 v48, v48, v44, 0x3e511a64                       ; 5a605930 3e511a64
	v_fmaak_f32 v45, v45, v41, 0x3f906eb9                       ; 5a5a532d 3f906eb9
	v_fmaak_f32 v46, v46, v42, 0x3f906eb9                       ; 5a5c552e 3f906eb9
	v_fmaak_f32 v47, v47, v43, 0x3f906eb9                       ; 5a5e572f 3f906eb9
	v_fmaak_f32 v48, v48, v44, 0x3f906eb9                       ; 5a605930 3f906eb9
	v_mul_f32_e32 v18, v18, v45                                 ; 10245b12
	v_mul_f32_e32 v19, v19, v46                                 ; 10265d13
	v_mul_f32_e32 v49, v50, v47                                 ; 10625f32
	v_mul_f32_e32 v40, v40, v48                                 ; 10506128
	v_fmaak_f32 v50, s6, v41, 0x3c715005                        ; 5a645206 3c715005
	v_fmaak_f32 v48, s6, v42, 0x3c715005                        ; 5a605406 3c715005
	v_fmaak_f32 v45, s6, v43, 0x3c715005                        ; 5a5a5606 3c715005
	v_fmaak_f32 v46, s6, v44, 0x3c715005                        ; 5a5c5806 3c715005
	v_fmaak_f32 v47, v50, v41, 0x3def2851                       ; 5a5e5332 3def2851
	v_fmaak_f32 v48, v48, v42, 0x3def2851                       ; 5a605530 3def2851
	v_fmaak_f32 v45, v45, v43, 0x3def2851                       ; 5a5a572d 3def2851
	v_fmaak_f32 v46, v46, v44, 0x3def2851                       ; 5a5c592e 3def2851
	v_fmaak_f32 v47, v47, v41, 0x3f03a911                       ; 5a5e532f 3f03a911
	v_fmaak_f32 v48, v48, v42, 0x3f03a911                       ; 5a605530 3f03a911
	v_fmaak_f32 v45, v45, v43, 0x3f03a911                       ; 5a5a572d 3f03a911
	v_fmaak_f32 v46, v46, v44, 0x3f03a911                       ; 5a5c592e 3f03a911
	v_fma_f32 v41, v47, v41, 1.0                                ; d54b0029 03ca532f
	v_fma_f32 v42, v48, v42, 1.0                                ; d54b002a 03ca5530
	v_fma_f32 v43, v45, v43, 1.0                                ; d54b002b 03ca572d
	v_fma_f32 v50, v46, v44, 1.0                                ; d54b0032 03ca592e
	v_rcp_f32_e32 v41, v41                                      ; 7e525529
	v_mul_f32_e32 v18, v18, v41                                 ; 10245312
	v_rcp_f32_e32 v41, v42                                      ; 7e52552a
	v_mul_f32_e32 v19, v19, v41                                 ; 10265313
	v_rcp_f32_e32 v48, v43                                      ; 7e60552b
	v_mul_f32_e32 v41, v49, v48                                 ; 10526131
	v_rcp_f32_e32 v50, v50                                      ; 7e645532
	v_mul_f32_e32 v40, v40, v50                                 ; 10506528
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v41, 1.0, -1.0, v41                              ; d5570029 04a5e6f2
	v_med3_f32 v40, 1.0, -1.0, v40                              ; d5570028 04a1e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v50, v1, v4, vcc                          ; 02640901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v42, v1, v4, vcc                          ; 02540901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v43, v1, v4, vcc                          ; 02560901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v44, v1, v4, vcc                          ; 02580901
	v_cmp_lt_i32_e32 vcc, v50, v7                               ; 7d020f32
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v42, v15                              ; 7d021f2a
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v43, v16                              ; 7d02212b
	v_cndmask_b32_e32 v16, v41, v16, vcc                        ; 02202129
	v_cmp_lt_i32_e32 vcc, v44, v17                              ; 7d02232c
	v_cndmask_b32_e32 v17, v40, v17, vcc                        ; 02222328
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v40, v53, v7                                  ; 10500f35
	v_mul_f32_e32 v41, v52, v15                                 ; 10521f34
	v_mul_f32_e32 v42, v51, v16                                 ; 10542133
	v_mul_f32_e32 v43, v6, v17                                  ; 10562306
	v_add_f32_e32 v57, v57, v8                                  ; 06721139
	v_add_f32_e32 v56, v56, v9                                  ; 06701338
	v_add_f32_e32 v55, v55, v10                                 ; 066e1537
	v_add_f32_e32 v6, v54, v11                                  ; 060c1736
	v_mul_f32_e32 v7, s8, v57                                   ; 100e7208
	v_mul_f32_e32 v15, s8, v56                                  ; 101e7008
	v_mul_f32_e32 v16, s8, v55                                  ; 10206e08
	v_mul_f32_e32 v17, s8, v6                                   ; 10220c08
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v54, s10, s9, v16                                ; d5570036 0440120a
	v_med3_f32 v44, s10, s9, v17                                ; d557002c 0444120a
	v_mul_f32_e32 v45, v18, v18                                 ; 105a2512
	v_mul_f32_e32 v46, v19, v19                                 ; 105c2713
	v_mul_f32_e32 v47, v54, v54                                 ; 105e6d36
	v_mul_f32_e32 v48, v44, v44                                 ; 1060592c
	v_mul_f32_e32 v57, 0.5, v57                                 ; 107272f0
	v_mul_f32_e32 v56, 0.5, v56                                 ; 107070f0
	v_mul_f32_e32 v55, 0.5, v55                                 ; 106e6ef0
	v_mul_f32_e32 v6, 0.5, v6                                   ; 100c0cf0
	v_fmaak_f32 v49, s11, v45, 0xb606017a                       ; 5a625a0b b606017a
	v_fmaak_f32 v50, s11, v46, 0xb606017a                       ; 5a645c0b b606017a
	v_fmaak_f32 v51, s11, v47, 0xb606017a                       ; 5a665e0b b606017a
	v_fmaak_f32 v52, s11, v48, 0xb606017a                       ; 5a68600b b606017a
	v_fmaak_f32 v49, v49, v45, 0x391a9d34                       ; 5a625b31 391a9d34
	v_fmaak_f32 v50, v50, v46, 0x391a9d34                       ; 5a645d32 391a9d34
	v_fmaak_f32 v51, v51, v47, 0x391a9d34                       ; 5a665f33 391a9d34
	v_fmaak_f32 v52, v52, v48, 0x391a9d34                       ; 5a686134 391a9d34
	v_fmaak_f32 v49, v49, v45, 0x3b7f4888                       ; 5a625b31 3b7f4888
	v_fmaak_f32 v50, v50, v46, 0x3b7f4888                       ; 5a645d32 3b7f4888
	v_fmaak_f32 v51, v51, v47, 0x3b7f4888                       ; 5a665f33 3b7f4888
	v_fmaak_f32 v52, v52, v48, 0x3b7f4888                       ; 5a686134 3b7f4888
	v_fmaak_f32 v49, v49, v45, 0x3d517e5e                       ; 5a625b31 3d517e5e
	v_fmaak_f32 v50, v50, v46, 0x3d517e5e                       ; 5a645d32 3d517e5e
	v_fmaak_f32 v51, v51, v47, 0x3d517e5e                       ; 5a665f33 3d517e5e
	v_fmaak_f32 v52, v52, v48, 0x3d517e5e                       ; 5a686134 3d517e5e
	v_fmaak_f32 v49, v49, v45, 0x3e511a64                       ; 5a625b31 3e511a64
	v_fmaak_f32 v50, v50, v46, 0x3e511a64                       ; 5a645d32 3e511a64
	v_fmaak_f32 v51, v51, v47, 0x3e511a64                       ; 5a665f33 3e511a64
	v_fmaak_f32 v52, v52, v48, 0x3e511a64                       ; 5a686134 3e511a64
	v_fmaak_f32 v49, v49, v45, 0x3f906eb9                       ; 5a625b31 3f906eb9
	v_fmaak_f32 v50, v50, v46, 0x3f906eb9                       ; 5a645d32 3f906eb9
	v_fmaak_f32 v51, v51, v47, 0x3f906eb9                       ; 5a665f33 3f906eb9
	v_fmaak_f32 v52, v52, v48, 0x3f906eb9                       ; 5a686134 3f906eb9
	v_mul_f32_e32 v18, v18, v49                                 ; 10246312
	v_mul_f32_e32 v19, v19, v50                                 ; 10266513
	v_mul_f32_e32 v53, v54, v51                                 ; 106a6736
	v_mul_f32_e32 v44, v44, v52                                 ; 1058692c
	v_fmaak_f32 v54, s6, v45, 0x3c715005                        ; 5a6c5a06 3c715005
	v_fmaak_f32 v52, s6, v46, 0x3c715005                        ; 5a685c06 3c715005
	v_fmaak_f32 v49, s6, v47, 0x3c715005                        ; 5a625e06 3c715005
	v_fmaak_f32 v50, s6, v48, 0x3c715005                        ; 5a646006 3c715005
	v_fmaak_f32 v51, v54, v45, 0x3def2851                       ; 5a665b36 3def2851
	v_fmaak_f32 v52, v52, v46, 0x3def2851                       ; 5a685d34 3def2851
	v_fmaak_f32 v49, v49, v47, 0x3def2851                       ; 5a625f31 3def2851
	v_fmaak_f32 v50, v50, v48, 0x3def2851                       ; 5a646132 3def2851
	v_fmaak_f32 v51, v51, v45, 0x3f03a911                       ; 5a665b33 3f03a911
	v_fmaak_f32 v52, v52, v46, 0x3f03a911                       ; 5a685d34 3f03a911
	v_fmaak_f32 v49, v49, v47, 0x3f03a911                       ; 5a625f31 3f03a911
	v_fmaak_f32 v50, v50, v48, 0x3f03a911                       ; 5a646132 3f03a911
	v_fma_f32 v45, v51, v45, 1.0                                ; d54b002d 03ca5b33
	v_fma_f32 v46, v52, v46, 1.0                                ; d54b002e 03ca5d34
	v_fma_f32 v47, v49, v47, 1.0                                ; d54b002f 03ca5f31
	v_fma_f32 v54, v50, v48, 1.0                                ; d54b0036 03ca6132
	v_rcp_f32_e32 v45, v45                                      ; 7e5a552d
	v_mul_f32_e32 v18, v18, v45                                 ; 10245b12
	v_rcp_f32_e32 v45, v46                                      ; 7e5a552e
	v_mul_f32_e32 v19, v19, v45                                 ; 10265b13
	v_rcp_f32_e32 v52, v47                                      ; 7e68552f
	v_mul_f32_e32 v45, v53, v52                                 ; 105a6935
	v_rcp_f32_e32 v54, v54                                      ; 7e6c5536
	v_mul_f32_e32 v44, v44, v54                                 ; 10586d2c
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v45, 1.0, -1.0, v45                              ; d557002d 04b5e6f2
	v_med3_f32 v44, 1.0, -1.0, v44                              ; d557002c 04b1e6f2
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v54, v1, v4, vcc                          ; 026c0901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v46, v1, v4, vcc                          ; 025c0901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v47, v1, v4, vcc                          ; 025e0901
	v_cmp_gt_i32_e32 vcc, 0, v17                                ; 7d082280
	v_cndmask_b32_e32 v48, v1, v4, vcc                          ; 02600901
	v_cmp_lt_i32_e32 vcc, v54, v7                               ; 7d020f36
	v_cndmask_b32_e32 v7, v18, v7, vcc                          ; 020e0f12
	v_cmp_lt_i32_e32 vcc, v46, v15                              ; 7d021f2e
	v_cndmask_b32_e32 v15, v19, v15, vcc                        ; 021e1f13
	v_cmp_lt_i32_e32 vcc, v47, v16                              ; 7d02212f
	v_cndmask_b32_e32 v16, v45, v16, vcc                        ; 0220212d
	v_cmp_lt_i32_e32 vcc, v48, v17                              ; 7d022330
	v_cndmask_b32_e32 v17, v44, v17, vcc                        ; 0222232c
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v15, 1.0, v15                                 ; 061e1ef2
	v_add_f32_e32 v16, 1.0, v16                                 ; 062020f2
	v_add_f32_e32 v17, 1.0, v17                                 ; 062222f2
	v_mul_f32_e32 v44, v57, v7                                  ; 10580f39
	v_mul_f32_e32 v45, v56, v15                                 ; 105a1f38
	v_mul_f32_e32 v46, v55, v16                                 ; 105c2137
	v_mul_f32_e32 v47, v6, v17                                  ; 105e2306
	v_add_f32_e32 v8, v61, v8                                   ; 0610113d
	v_add_f32_e32 v9, v60, v9                                   ; 0612133c
	v_add_f32_e32 v10, v59, v10                                 ; 0614153b
	v_add_f32_e32 v11, v58, v11                                 ; 0616173a
	v_mul_f32_e32 v6, s8, v8                                    ; 100c1008
	v_mul_f32_e32 v7, s8, v9                                    ; 100e1208
	v_mul_f32_e32 v15, s8, v10                                  ; 101e1408
	v_mul_f32_e32 v16, s8, v11                                  ; 10201608
	v_med3_f32 v17, s10, s9, v6                                 ; d5570011 0418120a
	v_med3_f32 v18, s10, s9, v7                                 ; d5570012 041c120a
	v_med3_f32 v19, s10, s9, v15                                ; d5570013 043c120a
	v_med3_f32 v48, s10, s9, v16                                ; d5570030 0440120a
	v_mul_f32_e32 v49, v17, v17                                 ; 10622311
	v_mul_f32_e32 v50, v18, v18                                 ; 10642512
	v_mul_f32_e32 v51, v19, v19                                 ; 10662713
	v_mul_f32_e32 v52, v48, v48                                 ; 10686130
	v_mul_f32_e32 v8, 0.5, v8                                   ; 101010f0
	v_mul_f32_e32 v9, 0.5, v9                                   ; 101212f0
	v_mul_f32_e32 v10, 0.5, v10                                 ; 101414f0
	v_mul_f32_e32 v11, 0.5, v11                                 ; 101616f0
	v_fmaak_f32 v53, s11, v49, 0xb606017a                       ; 5a6a620b b606017a
	v_fmaak_f32 v54, s11, v50, 0xb606017a                       ; 5a6c640b b606017a
	v_fmaak_f32 v55, s11, v51, 0xb606017a                       ; 5a6e660b b606017a
	v_fmaak_f32 v56, s11, v52, 0xb606017a                       ; 5a70680b b606017a
	v_fmaak_f32 v53, v53, v49, 0x391a9d34                       ; 5a6a6335 391a9d34
	v_fmaak_f32 v54, v54, v50, 0x391a9d34                       ; 5a6c6536 391a9d34
	v_fmaak_f32 v55, v55, v51, 0x391a9d34                       ; 5a6e6737 391a9d34
	v_fmaak_f32 v56, v56, v52, 0x391a9d34                       ; 5a706938 391a9d34
	v_fmaak_f32 v53, v53, v49, 0x3b7f4888                       ; 5a6a6335 3b7f4888
	v_fmaak_f32 v54, v54, v50, 0x3b7f4888                       ; 5a6c6536 3b7f4888
	v_fmaak_f32 v55, v55, v51, 0x3b7f4888                       ; 5a6e6737 3b7f4888
	v_fmaak_f32 v56, v56, v52, 0x3b7f4888                       ; 5a706938 3b7f4888
	v_fmaak_f32 v53, v53, v49, 0x3d517e5e                       ; 5a6a6335 3d517e5e
	v_fmaak_f32 v54, v54, v50, 0x3d517e5e                       ; 5a6c6536 3d517e5e
	v_fmaak_f32 v55, v55, v51, 0x3d517e5e                       ; 5a6e6737 3d517e5e
	v_fmaak_f32 v56, v56, v52, 0x3d517e5e                       ; 5a706938 3d517e5e
	v_fmaak_f32 v53, v53, v49, 0x3e511a64                       ; 5a6a6335 3e511a64
	v_fmaak_f32 v54, v54, v50, 0x3e511a64                       ; 5a6c6536 3e511a64
	v_fmaak_f32 v55, v55, v51, 0x3e511a64                       ; 5a6e6737 3e511a64
	v_fmaak_f32 v56, v56, v52, 0x3e511a64                       ; 5a706938 3e511a64
	v_fmaak_f32 v53, v53, v49, 0x3f906eb9                       ; 5a6a6335 3f906eb9
	v_fmaak_f32 v54, v54, v50, 0x3f906eb9                       ; 5a6c6536 3f906eb9
	v_fmaak_f32 v55, v55, v51, 0x3f906eb9                       ; 5a6e6737 3f906eb9
	v_fmaak_f32 v56, v56, v52, 0x3f906eb9                       ; 5a706938 3f906eb9
	v_mul_f32_e32 v17, v17, v53                                 ; 10226b11
	v_mul_f32_e32 v18, v18, v54                                 ; 10246d12
	v_mul_f32_e32 v19, v19, v55                                 ; 10266f13
	v_mul_f32_e32 v48, v48, v56                                 ; 10607130
	v_fmaak_f32 v53, s6, v49, 0x3c715005                        ; 5a6a6206 3c715005
	v_fmaak_f32 v54, s6, v50, 0x3c715005                        ; 5a6c6406 3c715005
	v_fmaak_f32 v55, s6, v51, 0x3c715005                        ; 5a6e6606 3c715005
	v_fmaak_f32 v56, s6, v52, 0x3c715005                        ; 5a706806 3c715005
	v_fmaak_f32 v53, v53, v49, 0x3def2851                       ; 5a6a6335 3def2851
	v_fmaak_f32 v54, v54, v50, 0x3def2851                       ; 5a6c6536 3def2851
	v_fmaak_f32 v55, v55, v51, 0x3def2851                       ; 5a6e6737 3def2851
	v_fmaak_f32 v56, v56, v52, 0x3def2851                       ; 5a706938 3def2851
	v_fmaak_f32 v53, v53, v49, 0x3f03a911                       ; 5a6a6335 3f03a911
	v_fmaak_f32 v54, v54, v50, 0x3f03a911                       ; 5a6c6536 3f03a911
	v_fmaak_f32 v55, v55, v51, 0x3f03a911                       ; 5a6e6737 3f03a911
	v_fmaak_f32 v56, v56, v52, 0x3f03a911                       ; 5a706938 3f03a911
	v_fma_f32 v49, v53, v49, 1.0                                ; d54b0031 03ca6335
	v_fma_f32 v50, v54, v50, 1.0                                ; d54b0032 03ca6536
	v_fma_f32 v51, v55, v51, 1.0                                ; d54b0033 03ca6737
	v_fma_f32 v52, v56, v52, 1.0                                ; d54b0034 03ca6938
	v_rcp_f32_e32 v49, v49                                      ; 7e625531
	v_mul_f32_e32 v17, v17, v49                                 ; 10226311
	v_rcp_f32_e32 v49, v50                                      ; 7e625532
	v_mul_f32_e32 v18, v18, v49                                 ; 10246312
	v_rcp_f32_e32 v49, v51                                      ; 7e625533
	v_mul_f32_e32 v19, v19, v49                                 ; 10266313
	v_rcp_f32_e32 v49, v52                                      ; 7e625534
	v_mul_f32_e32 v48, v48, v49                                 ; 10606330
	v_med3_f32 v17, 1.0, -1.0, v17                              ; d5570011 0445e6f2
	v_med3_f32 v18, 1.0, -1.0, v18                              ; d5570012 0449e6f2
	v_med3_f32 v19, 1.0, -1.0, v19                              ; d5570013 044de6f2
	v_med3_f32 v48, 1.0, -1.0, v48                              ; d5570030 04c1e6f2
	v_cmp_gt_i32_e32 vcc, 0, v6                                 ; 7d080c80
	v_cndmask_b32_e32 v49, v1, v4, vcc                          ; 02620901
	v_cmp_gt_i32_e32 vcc, 0, v7                                 ; 7d080e80
	v_cndmask_b32_e32 v50, v1, v4, vcc                          ; 02640901
	v_cmp_gt_i32_e32 vcc, 0, v15                                ; 7d081e80
	v_cndmask_b32_e32 v51, v1, v4, vcc                          ; 02660901
	v_cmp_gt_i32_e32 vcc, 0, v16                                ; 7d082080
	v_cndmask_b32_e32 v1, v1, v4, vcc                           ; 02020901
	v_cmp_lt_i32_e32 vcc, v49, v6                               ; 7d020d31
	v_cndmask_b32_e32 v4, v17, v6, vcc                          ; 02080d11
	v_cmp_lt_i32_e32 vcc, v50, v7                               ; 7d020f32
	v_cndmask_b32_e32 v6, v18, v7, vcc                          ; 020c0f12
	v_cmp_lt_i32_e32 vcc, v51, v15                              ; 7d021f33
	v_cndmask_b32_e32 v7, v19, v15, vcc                         ; 020e1f13
	v_cmp_lt_i32_e32 vcc, v1, v16                               ; 7d022101
	v_cndmask_b32_e32 v1, v48, v16, vcc                         ; 02022130
	v_add_f32_e32 v4, 1.0, v4                                   ; 060808f2
	v_add_f32_e32 v6, 1.0, v6                                   ; 060c0cf2
	v_add_f32_e32 v7, 1.0, v7                                   ; 060e0ef2
	v_add_f32_e32 v1, 1.0, v1                                   ; 060202f2
	v_mul_f32_e32 v16, v8, v4                                   ; 10200908
	v_mul_f32_e32 v17, v9, v6                                   ; 10220d09
	v_mul_f32_e32 v18, v10, v7                                  ; 10240f0a
	v_mul_f32_e32 v19, v11, v1                                  ; 1026030b
	buffer_store_dwordx4 v[20:23], v0, s[12:15], 0 offen glc    ; e0785000 80031400
	buffer_store_dwordx4 v[24:27], v5, s[12:15], 0 offen glc    ; e0785000 80031805
	buffer_store_dwordx4 v[28:31], v2, s[12:15], 0 offen glc    ; e0785000 80031c02
	buffer_store_dwordx4 v[32:35], v3, s[12:15], 0 offen glc    ; e0785000 80032003
	buffer_store_dwordx4 v[36:39], v12, s[12:15], 0 offen glc   ; e0785000 8003240c
	buffer_store_dwordx4 v[40:43], v13, s[12:15], 0 offen glc   ; e0785000 8003280d
	buffer_store_dwordx4 v[44:47], v14, s[12:15], 0 offen glc   ; e0785000 80032c0e
	v_add_nc_u32_e32 v0, 0xa8000, v0                            ; 4a0000ff 000a8000
	buffer_store_dwordx4 v[16:19], v0, s[12:15], 0 offen glc    ; e0785000 80031000
BB18:
	s_endpgm                                                    ; bf810000
